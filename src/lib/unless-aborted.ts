/**
 * The result of the work, unless the signal fires first, or has: then throws what `why` answers, at once, and whatever comes
 * of the work is nobody's concern any more.
 */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal, why: () => Error): Promise<T> {
  let stop = (): void => undefined;
  const stopped = new Promise<never>((_resolve, reject) => {
    stop = () => reject(why());
  });
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([work, stopped]);
  } finally {
    signal.removeEventListener('abort', stop);
    stopped.catch(() => undefined);
    work.catch(() => undefined);
  }
}
