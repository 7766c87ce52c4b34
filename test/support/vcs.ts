export type Vcs = 'hg' | 'git';

const BOTH: readonly Vcs[] = ['hg', 'git'];
/** `npm test` asks for a sample of the suites that do the same with either VCS; `e2e/matrix` does the main thing with both. */
const IS_SAMPLE = process.env['TEST_VCS'] === 'sample';
const SEED = Number(process.env['SEED'] ?? 20_261_121);

/** With which VCS a suite runs, and what its title has to say of that: one of the two in a sample, drawn by seed and name. */
export function vcsOf(suite: string): readonly { readonly vcs: Vcs; readonly note: string }[] {
  if (!IS_SAMPLE) return BOTH.map((vcs) => ({ vcs, note: '' }));
  const sum = Buffer.from(suite).reduce((total, byte) => total + byte, SEED);
  const vcs: Vcs = sum % 2 === 0 ? 'hg' : 'git';
  const other: Vcs = vcs === 'hg' ? 'git' : 'hg';
  return [{ vcs, note: ` (a sample, seed ${SEED}: without ${other}; npm run test:unit does both)` }];
}
