import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.js';
import { silentLogger } from '../../src/lib/log.js';
import type { FeatureOptions } from '../../src/publish/feature.js';
import type { StyleOption } from '../../src/publish/styles.js';
import { postgres, type TestDatabase } from '../support/postgres.js';
import { makeRepository, must, vcsEnvironment, type TestRepository } from '../support/repository.js';
import { tempDir } from '../support/temp.js';

export const never = new AbortController().signal;
export const deps = { log: silentLogger, clock: systemClock };

/** A master: its database with one table of points, its repository, its data. */
export class PublishRig {
  readonly repository: TestRepository;
  readonly database: TestDatabase;
  readonly dataRoot: string;

  private constructor(repository: TestRepository, database: TestDatabase, dataRoot: string) {
    this.repository = repository;
    this.database = database;
    this.dataRoot = dataRoot;
  }

  static async start(vcs: 'hg' | 'git'): Promise<PublishRig> {
    const [repository, cluster, dataRoot] = await Promise.all([
      makeRepository(vcs),
      postgres(),
      tempDir('data'),
    ]);
    const rig = new PublishRig(repository, await cluster.createDatabase(), dataRoot);
    await rig.database.query('CREATE SCHEMA ws1_data');
    await rig.table('roads');
    return rig;
  }

  /** A table of three points from 115 -33 to 117 -31. */
  async table(name: string): Promise<void> {
    await this.database.query(
      `CREATE TABLE ws1_data."${name}" AS SELECT i AS id, ST_SetSRID(ST_MakePoint(114 + i, -34 + i), 4326)::geometry(Point, 4326)
         AS geom FROM generate_series(1, 3) AS i`,
    );
  }

  options(more: Partial<FeatureOptions> = {}): FeatureOptions {
    const { host, port, user, password, name } = this.database;
    return {
      repository: this.repository.upstream,
      channel: 'dpaw',
      dataRoot: this.dataRoot,
      remote: 'borg@master:',
      workspace: 'ws1',
      name: 'roads',
      env: {
        ...{ ...process.env, ...vcsEnvironment },
        ...{ PGHOST: host, PGPORT: String(port), PGUSER: user, PGPASSWORD: password, PGDATABASE: name },
      },
      ...more,
    };
  }

  /** An SLD file that draws in this colour. */
  async style(name: string, colour: string): Promise<StyleOption> {
    const path = join(await tempDir('style'), `${name}.sld`);
    await writeFile(
      path,
      `<StyledLayerDescriptor version="1.0.0" xmlns="http://www.opengis.net/sld"><!-- ${colour} --></StyledLayerDescriptor>`,
    );
    return { name, path, isDefault: false };
  }

  /** A committed file's text; undefined when the last commit has none. */
  committed(path: string): string | undefined {
    const { upstream, vcs } = this.repository;
    const command = vcs === 'hg' ? ['cat', '-r', '.', `path:${path}`] : ['show', `HEAD:${path}`];
    try {
      return execFileSync(vcs, command, {
        cwd: upstream,
        env: { ...process.env, ...vcsEnvironment },
        stdio: ['ignore', 'pipe', 'ignore'],
      }).toString();
    } catch {
      return undefined;
    }
  }

  committedJson(path: string): Record<string, unknown> {
    return JSON.parse(this.committed(path) ?? 'null') as Record<string, unknown>;
  }

  /** What the VCS says about the working copy; empty when all is committed. */
  status(): Promise<string> {
    const { upstream, vcs } = this.repository;
    return must(vcs, vcs === 'hg' ? ['status'] : ['status', '--short', '--untracked-files=all'], upstream);
  }

  /** Paths that a revision changed, sorted. */
  async changed(revision: string): Promise<string[]> {
    const { upstream, vcs } = this.repository;
    const listing =
      vcs === 'hg'
        ? await must('hg', ['status', '--no-status', '--change', revision], upstream)
        : await must('git', ['show', '--format=', '--name-only', revision], upstream);
    return listing
      .split('\n')
      .filter((line) => line !== '')
      .sort();
  }

  /** Puts a changed file into git's index, as someone does who is about to commit it. */
  async stage(path: string): Promise<void> {
    await must('git', ['add', '--', path], this.repository.upstream);
  }

  /** A hook in the working copy refuses every commit. */
  async refuseCommits(): Promise<void> {
    const { upstream, vcs } = this.repository;
    if (vcs === 'hg')
      await writeFile(join(upstream, '.hg/hgrc'), '[hooks]\nprecommit = echo no commits today >&2; exit 1\n');
    else
      await writeFile(
        join(upstream, '.git/hooks/pre-commit'),
        '#!/bin/sh\necho no commits today >&2; exit 1\n',
        {
          mode: 0o755,
        },
      );
  }

  inClone(args: readonly string[]): Promise<string> {
    return must(this.repository.vcs, args, this.repository.clone);
  }

  inUpstream(args: readonly string[]): Promise<string> {
    return must(this.repository.vcs, args, this.repository.upstream);
  }

  /** The file on this machine that a reference of a task file means. */
  read(reference: { readonly file: string }): Promise<Buffer> {
    return readFile(reference.file.replace(/^[^/]*:/, ''));
  }
}
