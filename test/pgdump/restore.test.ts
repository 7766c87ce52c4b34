import { expect } from 'chai';
import { availableParallelism } from 'node:os';
import { sessionOptions } from '../../src/pgdump/restore.js';

describe('pgdump/restore', () => {
  const workersOf = (host: string, indexWorkers: number): number => {
    const settings = { host, port: 5432, database: 'd', user: 'u', password: undefined };
    const options = sessionOptions({ settings, server: { indexWorkers } });
    return Number(/-c max_parallel_maintenance_workers=(\d+)$/.exec(options)?.[1]);
  };

  it('on this machine, indexes get no more helpers than there are cores left, nor than the server allows', () => {
    const left = availableParallelism() - 1;
    for (const host of ['localhost', '127.0.0.1', '::1', '/run/postgresql']) {
      expect(workersOf(host, 100), host).to.equal(left);
      expect(workersOf(host, 0), host).to.equal(0);
    }
    expect(workersOf('db.example.org', 100)).to.equal(100);
  });
});
