import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { pull, RepositoryStuck, type PullResult } from '../../src/hooks/pull.js';
import { openRepository, type PullOptions } from '../../src/hooks/repository.js';
import type { AgentError } from '../../src/lib/errors.js';
import { silentLogger } from '../../src/lib/log.js';
import { makeRepository, must, type TestRepository } from '../support/repository.js';
import { sshd } from '../support/sshd.js';
import { tempDir } from '../support/temp.js';
import { unprivileged } from '../support/unprivileged.js';
import { env, failureOf } from './helpers.js';

async function pullWith(rig: TestRepository, PATH: string, options: PullOptions = {}): Promise<PullResult> {
  const repository = await openRepository({
    root: rig.clone,
    branch: undefined,
    env: { ...env, PATH },
    log: silentLogger,
  });
  try {
    return await pull(repository, options);
  } finally {
    await repository.close();
  }
}

/** A clone that has pulled once, with something more to pull, as seen by a user whom file modes bind. */
async function makeBound(vcs: 'hg' | 'git'): Promise<{ rig: TestRepository; path: string }> {
  const rig = await makeRepository(vcs);
  await rig.commit({ 'a.json': 'a' });
  expect((await rig.pull()).code).to.equal(0);
  await rig.commit({ 'a.json': 'b' });
  return { rig, path: await unprivileged(['hg', 'git'], dirname(rig.clone)) };
}

/** A PATH on which this program fails at its pull, in these words. */
async function failing(vcs: 'hg' | 'git', message: string, code: number): Promise<string> {
  const folder = await tempDir('failing');
  const path = process.env['PATH'] ?? '';
  const script = `#!/bin/sh
case " $* " in *' pull '* | *' fetch '*) cat '${folder}/message' >&2; exit ${code};; esac
PATH='${path}' exec ${vcs} "$@"
`;
  await writeFile(join(folder, 'message'), message);
  await writeFile(join(folder, vcs), script, { mode: 0o755 });
  return `${folder}:${path}`;
}

const kindOf = (failure: AgentError): unknown[] => [failure.reason, failure.retry];

const DENIED = {
  hg: [
    ['.hg', 0o555, 'could not lock working directory'],
    ['.hg/store', 0o555, 'could not lock repository'],
    ['.hg/store/00changelog.i', 0, "abort: Permission denied: '"],
  ],
  git: [
    ['.git/FETCH_HEAD', 0o444, "cannot open '.git/FETCH_HEAD'"],
    ['.git/refs/remotes/origin', 0o555, 'cannot lock ref'],
    ['.git/objects', 0o555, 'insufficient permission for adding an object'],
  ],
} as const;

const LOCK = {
  hg: ['abort: could not lock working directory of /x: ', 20],
  git: ["error: cannot lock ref 'refs/remotes/origin/main': Unable to create '/x/main.lock': ", 254],
} as const;

for (const vcs of ['hg', 'git'] as const)
  describe(`${vcs} pull into what cannot be written`, () => {
    for (const [path, mode, message] of DENIED[vcs])
      it(`fails where ${path} is denied: nobody holds a lock`, async () => {
        const { rig, path: programs } = await makeBound(vcs);
        const [bound, all] = [join(rig.clone, path), path === '.git/objects' ? ['-R'] : []];
        await must('chmod', [...all, mode.toString(8), bound], '/');
        try {
          const failure = await failureOf(pullWith(rig, programs));
          expect(failure).to.not.be.instanceOf(RepositoryStuck);
          expect(kindOf(failure)).to.deep.equal(['command-failed', 'transient']);
          expect(failure.message).to.include(message).and.to.include('Permission denied');
          expect(failure.hint).to.include('the user that the repository belongs to');
        } finally {
          await must('chmod', ['-R', 'u+rwX', bound], '/');
        }
        expect(await pullWith(rig, programs)).to.include({ outcome: 'changed' });
      });

    for (const [words, reason, hint] of [
      ['No space left on device', 'disk-full', 'Make room'],
      ['Disk quota exceeded', 'disk-full', 'Make room'],
      ['Read-only file system', 'command-failed', 'mend its owner'],
    ] as const)
      it(`takes "${words}" at the lock for no lock of somebody else`, async () => {
        const rig = await makeRepository(vcs);
        await rig.commit({ 'a.json': 'a' });
        const [before, code] = LOCK[vcs];
        const failure = await failureOf(pullWith(rig, await failing(vcs, `${before}${words}\n`, code)));
        expect([...kindOf(failure), failure.hint?.includes(hint)]).to.deep.equal([reason, 'transient', true]);
      });

    it('takes a refused ssh key for a matter of the connection', async () => {
      const rig = await makeRepository(vcs);
      await rig.commit({ 'a.json': 'a' });
      const { host, port, user, sshCommand } = await sshd();
      const url = `ssh://${user}@${host}:${port}${vcs === 'hg' ? '/' : ''}${rig.upstream}`;
      if (vcs === 'hg') await writeFile(join(rig.clone, '.hg/hgrc'), `[paths]\ndefault = ${url}\n`);
      else await must('git', ['remote', 'set-url', 'origin', url], rig.clone);
      const ssh = `${sshCommand} -o PubkeyAuthentication=no`;
      const failure = await failureOf(pullWith(rig, process.env['PATH'] ?? '', { ssh }));
      expect(failure.message).to.include('Permission denied (publickey');
      expect(kindOf(failure)).to.deep.equal(['connection', 'transient']);
    });
  });

describe('git pull of a ref that cannot be locked', () => {
  for (const [words, isStuck] of [
    ["Unable to create '/x/.git/refs/remotes/origin/main.lock': File exists.", true],
    [`is at ${'a'.repeat(40)} but expected ${'b'.repeat(40)}`, true],
    ["'refs/remotes/origin/main/x' exists; cannot create 'refs/remotes/origin/main'", false],
  ] as const)
    it(`${isStuck ? 'waits' : 'does not wait'} for: ${words.replaceAll(/(.)\1{8,}/g, '$1…')}`, async () => {
      const rig = await makeRepository('git');
      await rig.commit({ 'a.json': 'a' });
      const message = `error: cannot lock ref 'refs/remotes/origin/main': ${words}\n`;
      const failure = await failureOf(pullWith(rig, await failing('git', message, 1)));
      expect([failure instanceof RepositoryStuck, failure.retry]).to.deep.equal([isStuck, 'transient']);
    });
});
