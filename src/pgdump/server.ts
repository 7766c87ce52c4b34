import type { Session } from './connections.js';

/** The server's major version: 15 for 15.20. */
export async function serverMajor(session: Session): Promise<number> {
  const { number } = await session.one<{ number: string }>(
    `SELECT current_setting('server_version_num') AS number`,
  );
  return Math.floor(Number(number) / 10_000);
}
