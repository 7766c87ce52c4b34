import type { Config } from '../config.js';
import type { Expected, GeoServer } from '../geoserver/client.js';
import type { RepositoryLocation, StateRepository } from '../hooks/repository.js';
import type { Clock } from '../lib/clock.js';
import { toAgentError } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import type { ServerFacts } from '../pgdump/server-facts.js';
import type { MasterFacts } from '../report/inspect.js';
import type { Desired } from './desired.js';

export const STATES = ['ok', 'skipped', 'warning', 'failed'] as const;

/**
 * - ok: as it should be
 * - skipped: the settings make it unnecessary, or something else has to be mended first
 * - warning: a run works, but something is not as it should be
 * - failed: a run, or part of it, would fail
 */
export type State = (typeof STATES)[number];

export interface Finding {
  /** What was looked at: `geoserver http://localhost:8080/geoserver`. */
  readonly name: string;
  readonly state: State;
  /** One sentence: what was found. */
  readonly message: string;
  /** How to mend it. */
  readonly hint?: string | undefined;
}

/** What checks look at. Facts that several of them need are asked for once. */
export interface Surroundings {
  readonly config: Config;
  readonly location: RepositoryLocation;
  readonly env: NodeJS.ProcessEnv;
  /** The command that runs slave-sync, absolute, as hooks have it. */
  readonly command: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly openRepository: (signal: AbortSignal) => Promise<StateRepository>;
  /** What the state repository says; undefined when it cannot be read. */
  readonly desired: Desired | undefined;
  readonly geoservers: readonly GeoServer[];
  /** What the record says is published on a server, by its URL. */
  readonly publishedOn: (url: string) => readonly Expected[];
  readonly database: () => Promise<ServerFacts>;
  /** undefined where nothing is reported. */
  readonly master: () => Promise<MasterFacts | undefined>;
}

/** One question. It changes nothing, ends with the signal, and throws AgentError for what is understood. */
export interface Check {
  /** Used when it throws. */
  readonly name: string;
  readonly run: (surroundings: Surroundings) => Promise<Finding | readonly Finding[]>;
}

/** What a check found that could not do its work. */
export function failure(name: string, error: unknown): Finding {
  const { message, hint } = toAgentError(error);
  return { name, state: 'failed', message: oneLine(message), hint };
}

export function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
