import { setMaxListeners } from 'node:events';
import { GeoServer } from '../geoserver/client.js';
import { AgentError } from '../lib/errors.js';
import { timeLimit } from '../lib/time-limit.js';
import { unlessAborted } from '../lib/unless-aborted.js';
import { readServerFacts } from '../pgdump/server-facts.js';
import { inspectMaster } from '../report/inspect.js';
import { failure, type Check, type Finding, type Surroundings } from './check.js';
import { readDesired, type Desired, type DesiredInput } from './desired.js';
import { readPublished } from './published.js';
import { schemasOf } from './task-files.js';
import { client } from './checks/client.js';
import { clocks } from './checks/clocks.js';
import { clone } from './checks/clone.js';
import { database } from './checks/database.js';
import { filters } from './checks/filters.js';
import { folders } from './checks/folders.js';
import { geoservers } from './checks/geoservers.js';
import { hook } from './checks/hook.js';
import { hosts } from './checks/hosts.js';
import { master } from './checks/master.js';
import { postgis } from './checks/postgis.js';
import { programs } from './checks/programs.js';
import { describeRepository } from './checks/repository.js';
import { settings } from './checks/settings.js';
import { upstream } from './checks/upstream.js';

/** In the order in which they are shown. */
const CHECKS: readonly Check[] = [
  ...[settings, programs, upstream, clone, hook, folders, hosts],
  ...[database, postgis, client, geoservers, master, clocks, filters],
];

/** Monitoring and people give up about then. */
const LIMIT_MS = 12_000;

export interface DoctorInput extends Omit<
  Surroundings,
  'desired' | 'geoservers' | 'publishedOn' | 'database' | 'master'
> {
  readonly accept: DesiredInput['accept'];
}

/**
 * Looks at everything that a run needs, all at the same time but for the repository, which says what is needed. Changes
 * nothing anywhere; ends within seconds, since everything has a time limit.
 */
export async function examine(input: DoctorInput): Promise<Finding[]> {
  const { finding, desired } = await repository(input);
  const geoservers = input.config.skip.gs ? [] : openGeoServers(input);
  try {
    const surroundings = surroundingsOf(input, desired, geoservers);
    const found = await Promise.all(CHECKS.map((check) => answer(check, surroundings)));
    return [finding, ...found.flat()];
  } finally {
    for (const server of geoservers) server.close();
  }
}

async function repository(
  input: DoctorInput,
): Promise<{ readonly finding: Finding; readonly desired: Desired | undefined }> {
  const signal = timeLimit(input.signal, LIMIT_MS);
  try {
    const opened = await input.openRepository(signal);
    try {
      const desired = await within(readDesired(opened, { ...input, signal }), signal);
      return { finding: describeRepository(input.location, desired), desired };
    } finally {
      await opened.close();
    }
  } catch (error) {
    return { finding: failure('repository', error), desired: undefined };
  }
}

function openGeoServers({ config, log, clock }: DoctorInput): GeoServer[] {
  return config.geoservers.map(
    ({ url, username, password }) => new GeoServer({ url, username, password }, { log, clock }),
  );
}

function surroundingsOf(
  input: DoctorInput,
  desired: Desired | undefined,
  geoservers: readonly GeoServer[],
): Surroundings {
  const { config, clock, log } = input;
  const signal = timeLimit(input.signal, LIMIT_MS);
  // Every check and every request listens to it: many at once are no leak.
  setMaxListeners(0, signal);
  const published = once(() => readPublished(config.statePath));
  const request = {
    schemas: ['borg_slave', ...schemasOf(desired)],
    databases: ['postgres', ...config.authDatabases],
  };
  return {
    ...input,
    signal,
    desired,
    geoservers,
    publishedOn: (url) => published()(url),
    database: once(() => readServerFacts(config.database, request, { log, clock }, signal)),
    master: once(async () =>
      config.master === undefined ? undefined : inspectMaster(config.master, clock, signal),
    ),
  };
}

async function answer(check: Check, surroundings: Surroundings): Promise<readonly Finding[]> {
  try {
    const found = await within(check.run(surroundings), surroundings.signal);
    return 'state' in found ? [found] : found;
  } catch (error) {
    return [failure(check.name, error)];
  }
}

function once<T>(ask: () => T): () => T {
  let answered: { readonly value: T } | undefined;
  return () => (answered ??= { value: ask() }).value;
}

/** For what does not heed its signal in time. */
function within<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return unlessAborted(
    work,
    signal,
    () => new AgentError('timed-out', `no answer within ${LIMIT_MS / 1_000} s`, { retry: 'transient' }),
  );
}
