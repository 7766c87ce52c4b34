import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, readdir, rm, utimes } from 'node:fs/promises';
import { constants, userInfo } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { run } from '../../src/lib/process.js';
import { succeeds } from '../e2e/master.js';
import { Catalog } from '../support/geoserver/catalog.js';
import type { GeoServerStandIn } from '../support/geoserver/index.js';
import { startRemoteWms, type RemoteWms } from '../support/geoserver/remote-wms.js';
import { postgres, type TestCluster } from '../support/postgres.js';
import { vcsEnvironment, type CommandOutcome } from '../support/repository.js';
import { CLI, makeRig, type Rig } from '../support/rig.js';
import { sshd } from '../support/sshd.js';
import { tempDir } from '../support/temp.js';
import { SmallDisk } from '../support/small-disk.js';
import { MARK } from './processes.js';
import { FaultyProxy } from './proxy.js';
import { change, publishAll, SCENARIOS, type Scenario } from './scenarios.js';
import { takeSnapshot, type Snapshot } from './snapshot.js';
import { Wrappers } from './wrappers.js';

export const GRACE_SECONDS = 5;

/** How a run begins: as an operator pulls, or as the daemon does. */
export const ENTRIES = ['pull', 'poll'] as const;
export type Entry = (typeof ENTRIES)[number];

export interface Expected {
  readonly snapshot: Snapshot;
  /** How long an undisturbed run takes, and the bytes it moves: faults are spread over these. */
  readonly ms: number;
  readonly bytes: Readonly<Record<'ssh' | 'database' | 'geoserver', number>>;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<CommandOutcome>;
}

/** What the slave and the master have on disk, in the database and in GeoServer, kept to go back to it. */
interface Image {
  readonly folder: string;
  readonly database: string;
  readonly catalog: Catalog;
}

/** A slave and a master with something that can break between each two of them, and all that a case starts from. */
export class World {
  readonly rig: Rig;
  readonly standIn: GeoServerStandIn;
  readonly proxies: Readonly<Record<'ssh' | 'database' | 'geoserver', FaultyProxy>>;
  readonly wrappers: Wrappers;
  /** Small file systems for the record and the cache, where one may mount. */
  readonly disks: Readonly<Record<'state' | 'cache', SmallDisk | undefined>>;
  readonly state: string;
  readonly cache: string;
  readonly temporary: string;
  readonly home: string;
  readonly #cluster: TestCluster;
  readonly #remoteWms: RemoteWms;
  readonly #images = new Map<string, Image>();
  readonly #expected = new Map<Scenario, Expected>();

  private constructor(
    parts: Pick<
      World,
      'rig' | 'standIn' | 'proxies' | 'wrappers' | 'disks' | 'state' | 'cache' | 'temporary' | 'home'
    > & { cluster: TestCluster; remoteWms: RemoteWms },
  ) {
    this.rig = parts.rig;
    this.standIn = parts.standIn;
    this.proxies = parts.proxies;
    this.wrappers = parts.wrappers;
    this.disks = parts.disks;
    this.state = parts.state;
    this.cache = parts.cache;
    this.temporary = parts.temporary;
    this.home = parts.home;
    this.#cluster = parts.cluster;
    this.#remoteWms = parts.remoteWms;
  }

  static async make(vcs: 'hg' | 'git'): Promise<World> {
    const rig = await makeRig({ vcs });
    const { standIn } = rig.geoserver;
    if (standIn === undefined) throw new Error('the faults need the stand-in for GeoServer');
    const [cluster, ssh, remoteWms] = await Promise.all([postgres(), sshd(), startRemoteWms('src_a')]);
    const wrappers = await Wrappers.make(cluster.binDir);
    const { hostname, port } = new URL(standIn.url);
    const proxies = {
      ssh: await FaultyProxy.start(ssh),
      database: await FaultyProxy.start(cluster),
      geoserver: await FaultyProxy.start({ host: hostname, port: Number(port) }),
    };
    const disks = { state: await SmallDisk.mount(16), cache: await SmallDisk.mount(32) };
    const places = {
      state: join(disks.state?.folder ?? (await tempDir('state')), 'status'),
      cache: join(disks.cache?.folder ?? (await tempDir('cache')), 'dumps'),
      temporary: await tempDir('tmp'),
      home: await tempDir('home'),
    };
    const throughProxy = [`-p ${proxies.ssh.port}`, `-o HostKeyAlias=[127.0.0.1]:${ssh.port}`].join(' ');
    await rig.configure({
      BORG_SSH: ssh.sshCommand.replace(`-p ${ssh.port}`, throughProxy),
      GEOSERVER_URL: standIn.url.replace(`:${port}`, `:${proxies.geoserver.port}`),
      GEOSERVER_PGSQL_PORT: String(proxies.database.port),
      // What the master is told has tests of its own.
      MASTER_PGSQL_HOST: '',
      PG_BIN_DIR: wrappers.folder,
      SYNC_STATUS_PATH: places.state,
      CACHE_PATH: places.cache,
      GRACE_SECONDS: String(GRACE_SECONDS),
    });
    const world = new World({ rig, standIn, proxies, wrappers, disks, ...places, cluster, remoteWms });
    await world.#build();
    return world;
  }

  /** Puts everything back to where a scenario begins: the slave as it was before, the master as it is after. */
  async reset(scenario: Scenario): Promise<void> {
    await this.#restore(scenario === 'first' ? 'empty' : 'first', this.#slaveFolders());
    await this.#restore(`${scenario} at the master`, this.#masterFolders());
    await this.#restoreCatalogAndDatabase(scenario === 'first' ? 'empty' : 'first');
    this.heal();
    await this.wrappers.clear();
    for (const name of await readdir(this.temporary))
      await rm(join(this.temporary, name), { recursive: true });
  }

  /** As if a minute had gone by: only then the daemon takes a lock that a killed git has left for stale. */
  async ageLocks(): Promise<void> {
    const folder = join(this.rig.clone, '.git');
    const names = await readdir(folder, { recursive: true }).catch(() => []);
    const before = new Date(Date.now() - 2 * 60_000);
    for (const name of names)
      if (name.endsWith('.lock')) await utimes(join(folder, name), before, before).catch(() => undefined);
  }

  /** Ends all faults of the wires and of GeoServer. */
  heal(): void {
    for (const proxy of Object.values(this.proxies)) proxy.heal();
    this.standIn.faults.length = 0;
    this.standIn.requests.length = 0;
  }

  /** What an undisturbed run of the scenario leaves; made once. */
  async expected(scenario: Scenario): Promise<Expected> {
    const known = this.#expected.get(scenario);
    if (known !== undefined) return known;
    await this.reset(scenario);
    const begin = performance.now();
    succeeds(await this.start('poll', 'undisturbed').ended);
    const { ssh, database, geoserver } = this.proxies;
    const expected: Expected = {
      ms: performance.now() - begin,
      bytes: { ssh: ssh.bytes, database: database.bytes, geoserver: geoserver.bytes },
      snapshot: await this.snapshot(),
    };
    this.#expected.set(scenario, expected);
    return expected;
  }

  async snapshot(): Promise<Snapshot> {
    return takeSnapshot({
      database: this.rig.slaveDatabase,
      catalog: this.standIn.catalog,
      ...{ state: this.state, cache: this.cache, temporary: this.temporary },
    });
  }

  start(entry: Entry | 'sync', mark: string): Running {
    const cli = [process.execPath, CLI] as const;
    const [program, ...args] =
      entry === 'sync'
        ? [...cli, 'sync']
        : entry === 'poll'
          ? [...cli, 'poll', '--once']
          : this.rig.vcs === 'hg'
            ? ['hg', 'pull']
            : ['git', 'pull', '--ff-only', '--no-tags', 'origin'];
    const child = spawn(program, args, {
      cwd: this.rig.clone,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...{ PATH: this.wrappers.path, HOME: this.home, USER: userInfo().username, LANG: 'C.UTF-8' },
        ...{ TMPDIR: this.temporary, [MARK]: mark, ...vcsEnvironment },
      },
    });
    return { child, ended: outcomeOf(child) };
  }

  async close(): Promise<void> {
    for (const proxy of Object.values(this.proxies)) await proxy.close();
    await this.#remoteWms.close();
    await this.rig.close();
  }

  async #build(): Promise<void> {
    const { rig } = this;
    succeeds(await rig.cli('init'));
    await this.#save('empty', [...this.#slaveFolders()]);
    await publishAll(rig, this.#remoteWms.url);
    await this.#save('first at the master', this.#masterFolders());
    succeeds(await this.start('poll', 'build').ended);
    await this.#save('first', this.#slaveFolders());
    for (const scenario of SCENARIOS.filter((name) => name !== 'first')) {
      await this.#restore('first at the master', this.#masterFolders());
      await change(rig, scenario);
      await this.#save(`${scenario} at the master`, this.#masterFolders());
    }
  }

  #slaveFolders(): readonly string[] {
    return [this.rig.clone, this.state, this.cache];
  }

  #masterFolders(): readonly string[] {
    return [this.rig.upstream, this.rig.dataRoot];
  }

  async #save(name: string, folders: readonly string[]): Promise<void> {
    const folder = await tempDir('image');
    for (const [index, source] of folders.entries()) {
      await mkdir(source, { recursive: true });
      await run('cp', ['-a', `${source}/.`, join(folder, String(index))]);
    }
    const database = `image_${this.rig.slaveDatabase.name}_${this.#images.size}`;
    await this.#copyDatabase(this.rig.slaveDatabase.name, database);
    const catalog = new Catalog();
    catalog.copyFrom(this.standIn.catalog);
    this.#images.set(name, { folder, database, catalog });
  }

  async #restore(name: string, folders: readonly string[]): Promise<void> {
    const { folder } = this.#image(name);
    for (const [index, target] of folders.entries()) {
      await rm(target, { recursive: true, force: true });
      await run('cp', ['-a', join(folder, String(index)), target]);
    }
  }

  async #restoreCatalogAndDatabase(name: string): Promise<void> {
    const { database, catalog } = this.#image(name);
    await this.rig.slaveDatabase.drop();
    await this.#copyDatabase(database, this.rig.slaveDatabase.name);
    this.standIn.catalog.copyFrom(catalog);
  }

  async #copyDatabase(from: string, to: string): Promise<void> {
    const template = await this.#cluster.admin();
    try {
      // A database can be copied while nobody else is in it.
      await template.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [
        from,
      ]);
      await template.query(`CREATE DATABASE ${to} TEMPLATE ${from}`);
    } finally {
      await template.end();
    }
  }

  #image(name: string): Image {
    const image = this.#images.get(name);
    expect(image, name).not.to.equal(undefined);
    return image!;
  }
}

function outcomeOf(child: ChildProcess): Promise<CommandOutcome> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    // Not 'close': what a killed agent leaves running holds the pipes open.
    child.on('exit', (code, signal) =>
      setTimeout(
        () =>
          resolve({
            code: code ?? 128 + (signal ? constants.signals[signal] : 0),
            stdout: Buffer.concat(stdout).toString('utf8'),
            stderr: Buffer.concat(stderr).toString('utf8'),
          }),
        50,
      ),
    );
  });
}
