import { expect } from 'chai';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readEnvironment, type Environment, type EnvironmentOptions } from '../../src/config/environment.js';
import { tempDir } from '../support/temp.js';

interface Place {
  readonly root: string;
  readonly cwd: string;
}

async function place(): Promise<Place> {
  const base = await tempDir('environment');
  const [root, cwd] = [join(base, 'state'), join(base, 'cwd')];
  await mkdir(join(root, 'code'), { recursive: true });
  await mkdir(cwd);
  return { root, cwd };
}

async function write(path: string, content: string, mode = 0o600): Promise<string> {
  await writeFile(path, content);
  await chmod(path, mode);
  return path;
}

function read({ root, cwd }: Place, options: Partial<EnvironmentOptions> = {}): Promise<Environment> {
  return readEnvironment({
    env: {},
    repositoryRoot: root,
    cwd,
    isTracked: () => Promise.resolve(false),
    ...options,
  });
}

describe('config: the environment and its file', () => {
  it('takes --env-file, else code/.env in the state repository, else .env in the working directory', async () => {
    const here = await place();
    expect((await read(here)).envFile).to.equal(undefined);
    const inCwd = await write(join(here.cwd, '.env'), 'SLAVE_NAME=cwd');
    expect((await read(here)).env['SLAVE_NAME']).to.equal('cwd');
    const inCode = await write(join(here.root, 'code/.env'), 'SLAVE_NAME=code');
    expect(await read(here)).to.deep.include({ envFile: inCode });
    expect((await read(here)).env['SLAVE_NAME']).to.equal('code');
    expect((await read(here, { repositoryRoot: undefined })).envFile).to.equal(inCwd);
    expect(
      (await read(here, { env: { STATE_REPOSITORY_ROOT: here.root }, repositoryRoot: undefined })).envFile,
    ).to.equal(inCode);
    await write(join(here.cwd, 'named'), 'SLAVE_NAME=named');
    expect((await read(here, { envFile: 'named' })).env['SLAVE_NAME']).to.equal('named');
  });

  it('reports a named file that is missing, and any that cannot be read', async () => {
    const here = await place();
    await write(join(here.cwd, '.env'), 'SLAVE_NAME=cwd');
    const [problem] = (await read(here, { envFile: 'missing' })).problems;
    expect(problem?.variable).to.equal(join(here.cwd, 'missing'));
    await mkdir(join(here.root, 'code/.env'));
    expect((await read(here)).problems[0]?.reason).to.match(/^cannot be read: EISDIR/);
  });

  it('lets the process win, but not with an empty value, and names the sources', async () => {
    const here = await place();
    await write(join(here.cwd, '.env'), 'SLAVE_NAME=file\nSTATE_BRANCH=file\nDEBUG=true');
    const { env, sources } = await read(here, { env: { SLAVE_NAME: 'process', STATE_BRANCH: '' } });
    expect(env).to.include({ SLAVE_NAME: 'process', STATE_BRANCH: 'file', DEBUG: 'true' });
    expect(sources).to.include({ SLAVE_NAME: 'environment', STATE_BRANCH: 'file', DEBUG: 'file' });
  });

  it('refuses a file that the state repository tracks, by its name or behind a link, and takes nothing of it', async () => {
    const here = await place();
    const tracked = await write(join(here.root, 'settings'), 'BORG_SSH=evil\nPATH_TO=evil');
    await symlink(tracked, join(here.cwd, '.env'));
    await symlink(here.root, join(here.cwd, 'link'));
    const isTracked = (path: string, root: string): Promise<boolean> =>
      Promise.resolve(path === join(root, 'settings'));
    for (const options of [{}, { envFile: tracked }, { envFile: 'link/settings' }]) {
      const { env, forChildren, problems } = await read(here, { ...options, isTracked });
      expect(problems.map(({ reason }) => reason).join()).to.contain('is tracked by the state repository');
      expect({ ...env, ...forChildren }).to.deep.equal({});
    }
  });

  it('asks about files inside the repository only, and about the repository that the file itself names', async () => {
    const here = await place();
    const asked: string[] = [];
    const isTracked = (path: string): Promise<boolean> => {
      asked.push(path);
      return Promise.resolve(true);
    };
    await write(join(here.cwd, '.env'), 'SLAVE_NAME=x');
    expect((await read(here, { isTracked })).problems).to.deep.equal([]);
    expect(asked).to.deep.equal([]);
    const inside = await write(join(here.root, 'inside.env'), `STATE_REPOSITORY_ROOT=${here.root}`);
    expect(
      (await read(here, { isTracked, envFile: inside, repositoryRoot: undefined })).problems,
    ).to.have.length(1);
    expect(asked).to.deep.equal([inside]);
  });

  it('warns when others can read or write the file', async () => {
    const here = await place();
    const path = await write(join(here.cwd, '.env'), 'SLAVE_NAME=x', 0o640);
    expect((await read(here)).warnings).to.deep.equal([]);
    await chmod(path, 0o604);
    expect((await read(here)).warnings.join()).to.contain('every user of this machine can read it');
    await chmod(path, 0o602);
    expect((await read(here)).warnings.join()).to.contain('every user of this machine can write it');
  });

  it('hands on what is cut and what cannot be read, with file and line', async () => {
    const here = await place();
    const path = await write(join(here.cwd, '.env'), 'SLAVE_NAME=a#b\nDEBUG="x');
    const { warnings, problems } = await read(here);
    expect(warnings).to.deep.equal([`${path} line 1: SLAVE_NAME is cut at a # outside quotes`]);
    expect(problems).to.deep.equal([{ variable: `${path} line 2`, reason: 'a quote has no end' }]);
  });

  it('keeps variables that are not its own for children, unless the process has them', async () => {
    const here = await place();
    await write(
      join(here.cwd, '.env'),
      'PGSSLMODE=require\nPATH=/evil\nSLAVE_NAME=x\nGEOSERVER_PASSWORD_FILE=/dev/null',
    );
    expect((await read(here, { env: { PATH: '/bin' } })).forChildren).to.deep.equal({ PGSSLMODE: 'require' });
  });
});

describe('config: secrets in files', () => {
  it('reads NAME_FILE, without one line end, relative to the working directory', async () => {
    const here = await place();
    await write(join(here.cwd, 'password'), ' pass word \n');
    const { env, sources } = await read(here, { env: { GEOSERVER_PGSQL_PASSWORD_FILE: 'password' } });
    expect(env['GEOSERVER_PGSQL_PASSWORD']).to.equal(' pass word ');
    expect(sources['GEOSERVER_PGSQL_PASSWORD']).to.equal('credential');
  });

  it('reads systemd credentials: the process wins over them, they win over the file', async () => {
    const here = await place();
    const folder = await tempDir('credentials');
    await write(join(folder, 'FASTLY_API_TOKEN'), 'credential');
    await write(join(folder, 'SLAVE_NAME'), 'no secret');
    await write(join(here.cwd, '.env'), 'FASTLY_API_TOKEN=file\nMASTER_PGSQL_PASSWORD=file');
    const env = { CREDENTIALS_DIRECTORY: folder };
    expect((await read(here, { env })).env).to.include({
      FASTLY_API_TOKEN: 'credential',
      MASTER_PGSQL_PASSWORD: 'file',
    });
    expect((await read(here, { env })).env).to.not.have.property('SLAVE_NAME');
    expect(
      (await read(here, { env: { ...env, FASTLY_API_TOKEN: 'process' } })).env['FASTLY_API_TOKEN'],
    ).to.equal('process');
  });

  it('refuses a secret that is set twice, and names a file that cannot be read', async () => {
    const here = await place();
    const twice = { GEOSERVER_PASSWORD: 'secret', GEOSERVER_PASSWORD_FILE: '/dev/null' };
    expect((await read(here, { env: twice })).problems).to.deep.equal([
      { variable: 'GEOSERVER_PASSWORD', reason: 'GEOSERVER_PASSWORD_FILE is set as well' },
    ]);
    const [missing] = (await read(here, { env: { AUTH_PGSQL_PASSWORD_FILE: 'missing' } })).problems;
    expect(missing?.variable).to.equal('AUTH_PGSQL_PASSWORD_FILE');
  });

  it('refuses a file and a credential with nothing in them: they would mean the default', async () => {
    const here = await place();
    const folder = await tempDir('credentials');
    await write(join(folder, 'GEOSERVER_PASSWORD'), '');
    await write(join(here.cwd, 'password'), ' \n');
    const env = { CREDENTIALS_DIRECTORY: folder, GEOSERVER_PGSQL_PASSWORD_FILE: 'password' };
    expect((await read(here, { env })).problems).to.deep.equal([
      { variable: 'GEOSERVER_PASSWORD', reason: 'its credential is empty' },
      { variable: 'GEOSERVER_PGSQL_PASSWORD_FILE', reason: 'is empty' },
    ]);
  });
});
