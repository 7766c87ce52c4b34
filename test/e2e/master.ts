import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommandOutcome } from '../support/repository.js';
import type { Rig } from '../support/rig.js';
import { tempDir } from '../support/temp.js';

/** Task file of the feature that most tests publish. */
export const taskFile = (name: string, workspace = 'ws1'): string => `dpaw/layers/${workspace}.${name}.json`;

/** An SLD file for points of one colour. */
export async function styleFile(colour: string): Promise<string> {
  const file = join(await tempDir('sld'), 'style.sld');
  await writeFile(
    file,
    `<?xml version="1.0" encoding="UTF-8"?>
<StyledLayerDescriptor version="1.0.0" xmlns="http://www.opengis.net/sld"><NamedLayer><Name>x</Name><UserStyle>
<FeatureTypeStyle><Rule><PointSymbolizer><Graphic><Mark><Fill><CssParameter name="fill">${colour}</CssParameter></Fill></Mark>
</Graphic></PointSymbolizer></Rule></FeatureTypeStyle></UserStyle></NamedLayer></StyledLayerDescriptor>`,
  );
  return file;
}

/** A table of points in the master's schema `<workspace>_data`. */
export async function makeTable(rig: Rig, name: string, rows: number, workspace = 'ws1'): Promise<void> {
  const table = `"${workspace}_data"."${name}"`;
  await rig.masterDatabase.query(`CREATE SCHEMA IF NOT EXISTS "${workspace}_data"`);
  await rig.masterDatabase.query(
    `CREATE TABLE ${table} (id serial PRIMARY KEY, name text, wkb_geometry geometry(Point, 4326))`,
  );
  await rig.masterDatabase.query(
    `INSERT INTO ${table} (name, wkb_geometry)
     SELECT 'n' || i, ST_SetSRID(ST_MakePoint(115 + i / 100.0, -32 + i / 100.0), 4326) FROM generate_series(1, ${rows}) i`,
  );
}

/** `slave-sync publish …`, which has to succeed. */
export async function publish(rig: Rig, ...args: readonly string[]): Promise<void> {
  succeeds(await rig.publish(...args));
}

/** Tables of ten rows, published as features of one workspace; the slave's hook is installed. */
export async function publishTables(rig: Rig, ...names: readonly string[]): Promise<void> {
  for (const name of names) {
    await makeTable(rig, name, 10);
    await publish(rig, 'feature', 'ws1', name, '--style', `builtin=${await styleFile('#ff0000')}`);
  }
}

export function succeeds(outcome: CommandOutcome): CommandOutcome {
  expect(outcome.code, outcome.stdout + outcome.stderr).to.equal(0);
  return outcome;
}

export interface StatusRow {
  readonly path: string;
  readonly state: string;
  readonly remark?: string;
  /** How far each place is that it goes to, by the place's name: the database, a GeoServer's URL. */
  readonly targets: Readonly<Record<string, string>>;
  readonly failure?: { readonly reason: string; readonly retry: string; readonly message: string };
}

/** `slave-sync status --json`, by path. */
export async function statusOf(rig: Rig): Promise<Map<string, StatusRow>> {
  const { stdout } = succeeds(await rig.cli('status', '--json'));
  return new Map((JSON.parse(stdout) as { jobs: StatusRow[] }).jobs.map((row) => [row.path, row]));
}

/** Rows seen through a view; undefined when it does not exist. */
export async function rowsOf(rig: Rig, view: string): Promise<number | undefined> {
  const [found] = await rig.slaveDatabase.query(`SELECT to_regclass($1) IS NOT NULL AS is_there`, [view]);
  return found?.['is_there'] === true ? (await rig.rows(view)).length : undefined;
}

export async function layerExists(rig: Rig, name: string, workspace = 'ws1'): Promise<boolean> {
  return (await rig.geoserver.getJson(`/rest/layers/${workspace}:${name}.json`)) !== undefined;
}

export const md5 = (content: string | Buffer): string => createHash('md5').update(content).digest('hex');
