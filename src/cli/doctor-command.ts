import { realpathSync } from 'node:fs';
import { failure, STATES, type Finding, type State } from '../doctor/check.js';
import { examine } from '../doctor/doctor.js';
import { AgentError, messageOf } from '../lib/errors.js';
import { stablePath } from '../update.js';
import { EXIT } from './exit-codes.js';
import type { Session } from './session.js';

/**
 * Prints what a run would stumble over and how to mend it; 1 when something would fail. Settings that cannot be used
 * are a finding too, but the last one then: everything else depends on them.
 */
export async function doctorCommand(
  open: () => Promise<Session>,
  options: { readonly json?: boolean },
): Promise<number> {
  const { findings, redact } = await findingsOf(open);
  const state = worst(findings);
  const text = options.json ? JSON.stringify({ state, findings }, null, 2) : findings.map(show).join('\n');
  process.stdout.write(`${redact(text)}\n`);
  return state === 'failed' ? EXIT.failed : EXIT.ok;
}

async function findingsOf(
  open: () => Promise<Session>,
): Promise<{ readonly findings: readonly Finding[]; readonly redact: (text: string) => string }> {
  let session: Session;
  try {
    session = await open();
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    const finding = { ...failure('settings', error), message: messageOf(error) };
    return { findings: [finding], redact: (text) => text };
  }
  const { config, location, accept, clock, log, stop, redactor } = session;
  const findings = await examine({
    ...{ config, location, accept, clock, log },
    env: process.env,
    command: [process.execPath, stablePath(realpathSync(process.argv[1] ?? ''))],
    signal: stop.signal,
    openRepository: (signal) => session.open(signal),
  });
  return { findings, redact: (text) => redactor.redact(text) };
}

function worst(findings: readonly Finding[]): State {
  return STATES.findLast((state) => findings.some((finding) => finding.state === state)) ?? 'ok';
}

function show({ name, state, message, hint }: Finding): string {
  const line = `${state.padEnd(7)}  ${name}: ${message}`;
  return hint === undefined ? line : `${line}\n         → ${hint}`;
}
