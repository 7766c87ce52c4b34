import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { followedUpdate, incomingRevision, parseRefUpdates } from '../../../src/hooks/git/transaction.js';
import { command, makeRepository, must, type TestRepository } from '../../support/repository.js';
import { env } from '../helpers.js';

const [A, B, NONE] = ['a'.repeat(40), 'b'.repeat(40), '0'.repeat(40)];
const REF = 'refs/remotes/origin/main';

describe('git transactions', () => {
  it('are read line by line', () => {
    expect(parseRefUpdates(`${A} ${B} ${REF}\n${NONE} ${A} refs/tags/odd"name\n\nnonsense\n`)).to.deep.equal([
      { oldId: A, newId: B, ref: REF },
      { oldId: NONE, newId: A, ref: 'refs/tags/odd"name' },
    ]);
    expect(parseRefUpdates('\n')).to.deep.equal([]);
  });

  it('matter when they move the followed ref to another commit', () => {
    const moves = (input: string): string | undefined => followedUpdate(parseRefUpdates(input), REF)?.newId;
    expect(moves(`${NONE} ${A} refs/tags/v1\n${A} ${B} ${REF}\n`)).to.equal(B);
    expect(moves(`${NONE} ${B} ${REF}\n`)).to.equal(B);
    for (const noise of [
      `${A} ${B} ${REF}2`,
      `${A} ${B} refs/heads/main`,
      `${NONE} ${A} ORIG_HEAD`,
      `${A} ${NONE} ${REF}`,
      `${NONE} ${NONE} ${REF}`,
      `${A} ${A} ${REF}`,
      '',
    ])
      expect([noise, moves(noise)]).to.deep.equal([noise, undefined]);
  });

  /** Runs git with a hook that records everything, and answers how often it was asked and what we would judge. */
  async function record(rig: TestRepository, verdict: 0 | 1, ...args: string[]) {
    const log = join(rig.clone, '..', 'transactions');
    const hook = join(rig.clone, '.git/hooks/reference-transaction');
    await mkdir(log, { recursive: true });
    await writeFile(
      hook,
      `#!/bin/sh\nn=$(ls '${log}' | wc -l)\n{ echo "$1"; cat; } >'${log}'/$n\nexit ${verdict}\n`,
      { mode: 0o755 },
    );
    await command('git', args, rig.clone);
    const calls = await readdir(log);
    const revisions: (string | undefined)[] = [];
    for (const call of calls) {
      const [phase = '', ...lines] = (await readFile(join(log, call), 'utf8')).split('\n');
      if (phase !== 'prepared') continue;
      revisions.push(await incomingRevision({ root: rig.clone, phase, input: lines.join('\n'), env }));
    }
    await must('rm', ['-r', hook, log], rig.clone);
    return { calls: calls.length, judged: revisions.filter((revision) => revision !== undefined) };
  }

  it('of a real fetch are judged once, those of gc, pack-refs, tags and deletions never', async () => {
    const rig = await makeRepository('git');
    const first = await rig.commit({ 'a.json': 'a' });
    expect((await record(rig, 1, 'fetch', '--atomic', 'origin')).judged).to.deep.equal([first]);
    await must('git', ['fetch', '-q', 'origin'], rig.clone);
    const second = await rig.commit({ 'a.json': 'b' });
    expect((await record(rig, 1, 'fetch', 'origin')).judged).to.deep.equal([second]);
    await must('git', ['fetch', '-q', 'origin'], rig.clone);
    for (const args of [
      ['pack-refs', '--all'],
      ['gc', '-q'],
      ['tag', 'v1', second],
      ['update-ref', '-d', REF],
    ]) {
      const { calls, judged } = await record(rig, 0, ...args);
      expect(calls, args.join(' ')).to.be.greaterThan(1);
      expect(judged, args.join(' ')).to.deep.equal([]);
    }
  });

  it('can only be refused while prepared', async () => {
    const rig = await makeRepository('git');
    const input = `${A} ${B} ${REF}\n`;
    for (const phase of ['committed', 'aborted'] as const)
      expect(await incomingRevision({ root: rig.clone, phase, input, env })).to.equal(undefined);
    expect(await incomingRevision({ root: rig.clone, phase: 'prepared', input, env })).to.equal(B);
    expect(
      await incomingRevision({ root: rig.clone, phase: 'prepared', input, branch: 'uat', env }),
    ).to.equal(undefined);
  });
});
