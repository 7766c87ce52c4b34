/**
 * A signal that fires when this one does or when the time is over. With a timer of its own: Node 20 may collect an
 * AbortSignal.timeout() that only AbortSignal.any() refers to, and then it never fires. The timer keeps no process alive.
 */
export function timeLimit(signal: AbortSignal, ms: number): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => controller.abort(signal.reason);
  const timer = setTimeout(
    () => controller.abort(new DOMException(`not done within ${ms} ms`, 'TimeoutError')),
    ms,
  );
  timer.unref();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  return controller.signal;
}
