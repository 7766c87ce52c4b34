import { systemClock } from '../../src/lib/clock.js';
import type { Fields, Logger } from '../../src/lib/log.js';
import { Redactor, Secret } from '../../src/lib/secret.js';
import { initMaster } from '../../src/report/init.js';
import { Reporter } from '../../src/report/reporter.js';
import type { JobReport, MasterSettings } from '../../src/report/types.js';
import { RecordDatabase } from '../../src/state/database.js';
import { Outbox } from '../../src/state/outbox.js';
import { postgres, type Row, type TestDatabase } from '../support/postgres.js';
import { tempDir } from '../support/temp.js';

export const never = new AbortController().signal;
export const SECRET = 'hunter2-of-the-master';

export interface ReporterOptions {
  readonly settings?: Partial<MasterSettings>;
  /** The slave's name. */
  readonly name?: string;
  /** Where its record is. */
  readonly folder?: string;
}

export interface Rig {
  readonly master: TestDatabase;
  readonly settings: MasterSettings;
  /** Where this slave's record is. */
  readonly folder: string;
  readonly logged: { level: string; message: string; fields: Fields | undefined }[];
  /** A reporter, over the same record unless it is another slave's; closed with the rig. */
  reporter(options?: ReporterOptions): Reporter;
  outbox(): Outbox;
  layers(): Promise<Row[]>;
  layer(publish: string): Promise<Row | undefined>;
  tasks(): Promise<Row[]>;
  slaves(): Promise<Row[]>;
  close(): Promise<void>;
}

/** A real master's database with the three tables, and a slave's record. */
export async function makeRig({ schema = 'public' } = {}): Promise<Rig> {
  const master = await (await postgres()).createDatabase({ postgis: false });
  const settings: MasterSettings = {
    host: master.host,
    port: master.port,
    database: master.name,
    schema,
    user: master.user,
    password: new Secret(master.password),
  };
  await initMaster(settings, never);
  const folder = await tempDir('record');
  const redactor = new Redactor();
  redactor.add(SECRET, settings.password);
  const logged: Rig['logged'] = [];
  const log = collector(logged);
  const opened: { close(): unknown }[] = [];
  const records = new Map<string, RecordDatabase>();
  /** One connection to each, as in a run. */
  const record = (of: string): RecordDatabase => {
    const known = records.get(of) ?? new RecordDatabase(of);
    records.set(of, known);
    return known;
  };
  const outbox = (): Outbox => new Outbox(record(folder));
  const name = `"${schema.replaceAll('"', '""')}"`;
  const rows = (table: string): Promise<Row[]> => master.query(`SELECT * FROM ${name}.${table} ORDER BY id`);
  return {
    master,
    settings,
    folder,
    logged,
    reporter: (options = {}) => {
      const deps = {
        outbox: new Outbox(record(options.folder ?? folder)),
        log,
        clock: systemClock,
        redact: (text: string) => redactor.redact(text),
      };
      const slave = {
        name: options.name ?? 'slave-1',
        channels: ['dpaw', 'kmi'],
        codeVersion: '1.2.3 (main)',
      };
      const reporter = new Reporter({ ...settings, ...options.settings }, slave, deps);
      opened.push(reporter);
      return reporter;
    },
    outbox,
    layers: () => rows('monitor_publishsyncstatus'),
    layer: async (publish) =>
      (await rows('monitor_publishsyncstatus')).find((row) => row['publish'] === publish),
    tasks: () => rows('monitor_tasksyncstatus'),
    slaves: () => rows('monitor_slaveserver'),
    close: async () => {
      for (const each of [...opened, ...records.values()]) await Promise.resolve(each.close());
      await master.drop();
    },
  };
}

/** A feature that was published well; its path follows from workspace and name. */
export function layer(workspace: string, name: string, changes: Partial<JobReport> = {}): JobReport {
  return {
    path: `dpaw/layers/${workspace}.${name}.json`,
    channel: 'dpaw',
    kind: 'feature',
    hasLayerRow: (changes.kind ?? 'feature') === 'feature',
    action: 'publish',
    name,
    workspace,
    state: 'done',
    finishedAt: new Date('2026-11-20T10:00:00.000Z'),
    spatialType: 'LineString',
    jobId: 2002,
    jobBatchId: 'B2002',
    previewFile: `previews/slave-1/dpaw/${workspace}/${name}.png`,
    tasks: [
      { type: 'restore_table', object: `${workspace}_data.${name}`, target: 'database', state: 'done' },
    ],
    ...changes,
  };
}

export function failed(workspace: string, name: string, failure: string, changes: Partial<JobReport> = {}) {
  return layer(workspace, name, {
    state: 'failed',
    failure,
    finishedAt: new Date('2026-11-20T11:00:00.000Z'),
    jobId: 2003,
    jobBatchId: 'B2003',
    previewFile: undefined,
    tasks: [
      {
        type: 'restore_table',
        object: `${workspace}_data.${name}`,
        target: 'database',
        state: 'failed',
        message: failure,
      },
    ],
    ...changes,
  });
}

function collector(logged: Rig['logged']): Logger {
  const at = (level: string) => (message: string, fields?: Fields) => {
    logged.push({ level, message, fields });
  };
  const logger: Logger = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => logger,
  };
  return logger;
}
