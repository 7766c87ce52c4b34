import { expect } from 'chai';
import { Secret } from '../../src/lib/secret.js';
import { splitStatements } from '../../src/pgdump/statements.js';
import { failureOf, makeRig, never, type Rig } from './rig.js';

describe('pgdump/script', () => {
  let rig: Rig;
  before(async () => {
    rig = await makeRig();
  });
  after(() => rig.close());

  it('runs DO blocks and several statements, again and again', async () => {
    const sql = `
      -- roles; of the master
      CREATE TABLE IF NOT EXISTS public.log (x text);
      DO $body$ BEGIN INSERT INTO public.log VALUES ('a;b'); END $body$;
      /* nothing; here */ INSERT INTO public.log VALUES ('it''s');`;
    await rig.database.runScript({ sql }, never);
    await rig.database.runScript({ sql }, never);
    expect(await rig.slave.query('SELECT * FROM public.log')).to.have.length(4);
  });

  it('names the statement that failed, and undoes the ones before it', async () => {
    const failure = await failureOf(
      rig.database.runScript(
        {
          sql: `CREATE TABLE public.gone (x int);\nSELECT 'a;b';\nDO $$BEGIN RAISE 'no; never'; END$$;\nSELECT 1`,
        },
        never,
      ),
    );
    expect(failure.message).to.contain('no; never').and.contain(`statement 3 of 4: DO '***'`);
    expect(await rig.slave.query(`SELECT to_regclass('public.gone') AS t`)).to.deep.equal([{ t: null }]);
  });

  it('shows nothing of what stands between quotes: it may be a password', async () => {
    for (const sql of [
      `CREATE ROLE x NOSUCHOPTION PASSWORD 'MARKED'`,
      `CREATE ROLE x PASSWORD 'a' 'MARKED'`,
      `ALTER ROLE nosuchrole PASSWORD E'it\\'s MARKED'`,
      `ALTER ROLE nosuchrole PASSWORD $x$MARKED$x$`,
      `SELECT 1; ALTER ROLE nosuchrole PASSWORD 'MARKED; DROP TABLE x`,
    ]) {
      const { message } = await failureOf(rig.database.runScript({ sql }, never));
      expect(message, sql)
        .to.match(/in statement \d of \d: (CREATE|ALTER) ROLE/)
        .and.not.contain('MARKED');
    }
  });

  it('names a statement with a syntax error, and one that names nothing', async () => {
    const named = async (sql: string) => (await failureOf(rig.database.runScript({ sql }, never))).message;
    expect(await named(`SELECT 1; SELEKT 2; SELECT 3`)).to.contain('statement 2 of 3: SELEKT 2');
    expect(await named(`SELECT 1; SELECT 2; SELECT * FROM nowhere`)).to.contain('statement 3 of 3');
  });

  it('works in another database and as another user, whose missing right names the statement', async () => {
    await rig.slave.query(`CREATE ROLE clerk LOGIN PASSWORD 'clerk-password'`);
    const credentials = { user: 'clerk', password: new Secret('clerk-password') };
    await rig.database.runScript({ sql: 'SELECT 1', database: 'postgres', credentials }, never);
    const failure = await failureOf(
      rig.database.runScript({ sql: 'SELECT 1; DELETE FROM pg_catalog.pg_auth_members', credentials }, never),
    );
    expect(failure).to.include({ reason: 'database', retry: 'remote' });
    expect(failure.message)
      .to.contain('permission denied')
      .and.contain('DELETE FROM pg_catalog.pg_auth_members');
    await rig.slave.query('DROP ROLE clerk');
  });

  it('says that a database or a user is not there, without the password', async () => {
    const none = await failureOf(rig.database.runScript({ sql: 'SELECT 1', database: 'nowhere' }, never));
    expect(none).to.include({ reason: 'connection', retry: 'remote' });
    const credentials = { user: 'nobody', password: new Secret('s3cret-password') };
    const failure = await failureOf(rig.database.runScript({ sql: 'SELECT 1', credentials }, never));
    expect(failure).to.include({ reason: 'connection', retry: 'remote' });
    expect(JSON.stringify(failure)).not.to.contain('s3cret-password');
  });

  it('ends when it is told to, and when its time is over', async () => {
    const controller = new AbortController();
    const running = rig.database.runScript({ sql: 'SELECT pg_sleep(60)' }, controller.signal);
    setTimeout(() => controller.abort(), 50);
    expect(await failureOf(running)).to.include({ reason: 'cancelled' });
    expect(
      await failureOf(rig.database.runScript({ sql: 'SELECT pg_sleep(60)', timeoutMs: 50 }, never)),
    ).to.include({ reason: 'timed-out', retry: 'transient' });
  });
});

describe('pgdump/statements', () => {
  const parts = (sql: string) => splitStatements(sql).map(({ start, end }) => sql.slice(start, end).trim());

  it('splits at semicolons that end a statement only', () => {
    expect(
      parts(`a; 'b;''c'; "d;e"; E'f\\';g'; $$h;i$$; $x$j;$$k;$x$; l -- m;n\n; /* o; /* p; */ q; */ r`),
    ).to.deep.equal([
      'a',
      `'b;''c'`,
      '"d;e"',
      `E'f\\';g'`,
      '$$h;i$$',
      '$x$j;$$k;$x$',
      'l -- m;n',
      '/* o; /* p; */ q; */ r',
    ]);
  });

  it('counts no empty statements, and survives what is not closed', () => {
    expect(parts(' ; ;\n-- nothing\n; a;')).to.deep.equal(['a']);
    for (const open of [`'`, '"', '$$', '/*', `E'\\`]) expect(parts(`a; ${open} b; c`)[0]).to.equal('a');
  });
});
