import type { Job } from '../../src/jobs/job.js';
import { Secret } from '../../src/lib/secret.js';
import type { FileRecord } from '../../src/state/records.js';
import type { TaskSettings } from '../../src/tasks/settings.js';
import type { Target, TaskDefinition } from '../../src/tasks/task.js';

export const settings: TaskSettings = {
  slaveName: 'slave',
  skipDatabase: false,
  skipGeoServer: false,
  workspaceNamespace: 'http://{}.example.org',
  dataStoreName: '{}_ds',
  defaultCrs: 'EPSG:4326',
  store: {
    host: 'localhost',
    port: 5432,
    database: 'borg_slave',
    schema: 'publish',
    user: 'test',
    password: new Secret('test'),
    digest: 'digest',
  },
  auth: { databases: [], user: undefined, password: undefined },
  allowLoopbackWms: false,
  sharePreviewData: false,
  previewPath: '/nowhere',
  cdn: undefined,
};

export const targets: readonly Target[] = [
  { kind: 'local', id: 'local' },
  { kind: 'database', id: 'db' },
  { kind: 'geoserver', id: 'http://one' },
  { kind: 'geoserver', id: 'http://two' },
  { kind: 'cdn', id: 'cdn' },
];

/** A job whose spec is what the test's task definitions look at. */
export function job(
  path: string,
  tasks: readonly string[],
  spec: Record<string, unknown> = {},
  key = 'v1',
): Job {
  return {
    path,
    channel: 'dpaw',
    kind: 'test',
    action: 'publish',
    identity: `layer:${path}`,
    name: path,
    key,
    spec: { workspace: 'ws', name: path, ...spec },
    tasks,
  };
}

export function definition(type: string, rest: Partial<TaskDefinition> = {}): TaskDefinition {
  return {
    type,
    target: 'local',
    object: (of) => String(of.spec['name']),
    run: () => Promise.resolve(undefined),
    ...rest,
  };
}

export function definitions(...list: readonly TaskDefinition[]): ReadonlyMap<string, TaskDefinition> {
  return new Map(list.map((entry) => [entry.type, entry]));
}

/** A task file that was published. */
export function fileRecord(path: string, rest: Partial<FileRecord> = {}): FileRecord {
  return {
    path,
    blobId: 'blob1',
    contentHash: 'hash',
    settings: 'settings',
    kind: 'feature',
    channel: 'dpaw',
    action: 'publish',
    identity: `layer:${path}`,
    name: path,
    spec: {},
    state: 'done',
    failure: undefined,
    remark: undefined,
    attempts: 0,
    nextAttemptAt: undefined,
    dueAt: undefined,
    revision: undefined,
    updatedAt: new Date('2026-11-20T12:00:00Z'),
    ...rest,
  };
}
