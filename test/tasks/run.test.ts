import { expect } from 'chai';
import type { Job } from '../../src/jobs/job.js';
import type { Clock } from '../../src/lib/clock.js';
import { AgentError } from '../../src/lib/errors.js';
import { silentLogger } from '../../src/lib/log.js';
import type { Failure, TaskKey } from '../../src/state/records.js';
import { planSteps, type Step } from '../../src/tasks/plan.js';
import { runPlan, type JobOutcome, type StepEvent } from '../../src/tasks/run.js';
import type { TaskDefinition, TaskResult } from '../../src/tasks/task.js';
import { definition, definitions, job, settings, targets } from './fixtures.js';

interface Trace {
  readonly outcomes: Map<Job, JobOutcome>;
  readonly events: string[];
  readonly records: string[];
  readonly slept: number[];
}

type Work = (step: Step, signal: AbortSignal) => Promise<TaskResult | undefined>;

async function run(
  jobs: readonly Job[],
  known: ReadonlyMap<string, TaskDefinition>,
  work: Work,
  options: { limit?: number; signal?: AbortSignal } = {},
): Promise<Trace> {
  const plan = planSteps({ jobs, definitions: known, targets, recorded: () => [], settings });
  const events: string[] = [];
  const records: string[] = [];
  const slept: number[] = [];
  const clock: Clock = {
    now: () => new Date(0),
    sleep: (ms) => {
      slept.push(ms);
      return Promise.resolve();
    },
  };
  const limit = options.limit ?? 10;
  const outcomes = await runPlan(plan, {
    perform: (step, _job, signal) => work(step, signal),
    record: {
      started: (keys: readonly TaskKey[]) => {
        records.push(`started ${keys.map((k) => `${k.type} ${k.path}`).join(' + ')}`);
        return Promise.resolve();
      },
      finished: (keys: readonly TaskKey[], result: { failure?: Failure }) => {
        records.push(
          `${result.failure ? 'failed' : 'done'} ${keys.map((k) => `${k.type} ${k.path}`).join(' + ')}`,
        );
        return Promise.resolve();
      },
    },
    onStep: (event: StepEvent) =>
      events.push(`${event.state} ${event.step.definition.type} ${event.step.object}`),
    onJob: () => undefined,
    limits: { transfer: limit, restore: limit, database: limit, geoserver: limit, cdn: limit },
    clock,
    random: () => 0.5,
    log: silentLogger,
    redact: (text) => text.replaceAll('secret', '***'),
    signal: options.signal ?? new AbortController().signal,
  });
  return { outcomes, events, records, slept };
}

const schema = definition('schema', {
  target: 'database',
  needs: [],
  object: (of) => String(of.spec['workspace']),
});
const table = definition('table', {
  target: 'database',
  settles: (of) => [`table ${String(of.spec['name'])}`],
});
const look = definition('look', { target: 'database', needs: [] });
const known = definitions(schema, table, look);

const final = (message: string): AgentError => new AgentError('invalid-data', message, { retry: 'final' });
const transient = (message: string): AgentError =>
  new AgentError('connection', message, { retry: 'transient' });

describe('runPlan', () => {
  it('records each task before and after it acts', async () => {
    const { records, outcomes } = await run([job('a', ['schema', 'table'])], known, () =>
      Promise.resolve(undefined),
    );
    expect(records).to.deep.equal(['started schema a', 'done schema a', 'started table a', 'done table a']);
    expect([...outcomes.values()].map((outcome) => outcome.type)).to.deep.equal(['done']);
  });

  it('a shared task that fails blocks all who share it, and only them', async () => {
    const jobs = [
      job('a', ['schema', 'table'], { workspace: 'one' }),
      job('b', ['schema', 'table'], { workspace: 'one' }),
      job('c', ['schema', 'table'], { workspace: 'two' }),
    ];
    const { outcomes, events } = await run(jobs, known, (step) =>
      step.object === 'one' ? Promise.reject(final('no right to do so')) : Promise.resolve(undefined),
    );
    expect(jobs.map((of) => outcomes.get(of)?.type)).to.deep.equal(['failed', 'failed', 'done']);
    expect(events)
      .to.include('blocked table a')
      .and.to.include('blocked table b')
      .and.to.include('done table c');
    const [outcome] = outcomes.values();
    expect(outcome?.type === 'failed' && outcome.failure.message).to.equal('no right to do so');
  });

  it('tries transient failures again with a growing delay, within bounds, and no others', async () => {
    let calls = 0;
    const ok = await run([job('a', ['table'])], known, () => {
      calls += 1;
      return calls < 3 ? Promise.reject(transient('reset')) : Promise.resolve(undefined);
    });
    expect([...ok.outcomes.values()][0]?.type).to.equal('done');
    expect(ok.slept).to.deep.equal([400, 1200]);

    calls = 0;
    const bad = await run([job('a', ['table'])], known, () => {
      calls += 1;
      return Promise.reject(transient('reset'));
    });
    expect(calls).to.equal(4);
    expect([...bad.outcomes.values()][0]?.type).to.equal('failed');

    calls = 0;
    await run([job('a', ['table'])], known, () => {
      calls += 1;
      return Promise.reject(final('wrong table'));
    });
    expect(calls).to.equal(1);
  });

  it('keeps secrets out of what it stores, and counts what it does not understand as a bug', async () => {
    const { outcomes } = await run([job('a', ['table'])], known, () =>
      Promise.reject(new TypeError('x is secret')),
    );
    const [outcome] = outcomes.values();
    expect(outcome?.type === 'failed' && outcome.failure).to.deep.equal({
      reason: 'bug',
      retry: 'transient',
      message: 'x is ***',
    });
  });

  it('waits for what a task only finds out while it runs, and breaks a circle with a warning', async () => {
    const order: string[] = [];
    const parents: Record<string, string[]> = { child: ['table parent'], parent: [] };
    const work: Work = async (step) => {
      if (step.definition.type === 'look') {
        // The parent's answer comes late: the child has to wait for its table all the same.
        if (step.object === 'parent') await new Promise((resolve) => setTimeout(resolve, 20));
        return { waitsFor: parents[step.object] ?? [] };
      }
      order.push(step.object);
      return undefined;
    };
    await run([job('child', ['look', 'table']), job('parent', ['look', 'table'])], known, work);
    expect(order).to.deep.equal(['parent', 'child']);

    parents['parent'] = ['table child'];
    const { outcomes } = await run(
      [job('child', ['look', 'table']), job('parent', ['look', 'table'])],
      known,
      work,
    );
    const warnings = [...outcomes.values()].flatMap((outcome) =>
      outcome.type === 'done' ? outcome.warnings : [],
    );
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.match(/refer to each other/);
  });

  it('runs no more at once than the resource has places', async () => {
    let now = 0;
    let most = 0;
    const work: Work = async () => {
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setTimeout(resolve, 5));
      now -= 1;
      return undefined;
    };
    const jobs = Array.from({ length: 12 }, (_, index) => job(`t${index}`, ['table']));
    await run(jobs, known, work, { limit: 3 });
    expect(most).to.equal(3);
  });

  it('a stop leaves running tasks as started, and jobs as not finished', async () => {
    const controller = new AbortController();
    const work: Work = (_step, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () =>
          reject(new AgentError('cancelled', 'stopped', { retry: 'transient' })),
        );
        controller.abort();
      });
    const { outcomes, records } = await run([job('a', ['schema', 'table'])], known, work, {
      signal: controller.signal,
    });
    expect([...outcomes.values()]).to.deep.equal([{ type: 'stopped' }]);
    expect(records).to.deep.equal(['started schema a']);
  });

  it('a record that cannot be written stops everything, and says so', async () => {
    let ended = 0;
    const plan = planSteps({
      jobs: [job('a', ['table']), job('b', ['table']), job('c', ['table'])],
      ...{ definitions: known, targets, recorded: () => [], settings },
    });
    const running = runPlan(plan, {
      perform: (_step, _job, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            ended += 1;
            reject(new AgentError('cancelled', 'stopped', { retry: 'transient' }));
          });
        }),
      record: {
        started: ([key]) =>
          key?.path === 'c'
            ? Promise.reject(new AgentError('disk-full', 'no room', { retry: 'transient' }))
            : Promise.resolve(),
        finished: () => Promise.resolve(),
      },
      ...{
        onStep: () => undefined,
        onJob: () => undefined,
        random: () => 0.5,
        log: silentLogger,
        redact: String,
      },
      limits: { transfer: 9, restore: 9, database: 9, geoserver: 9, cdn: 9 },
      clock: { now: () => new Date(0), sleep: () => Promise.resolve() },
      signal: new AbortController().signal,
    });
    const error: unknown = await running.catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(AgentError).and.to.have.property('reason', 'disk-full');
    expect(ended).to.equal(2);
  });

  it('plans and runs thousands of jobs in linear time', async () => {
    const jobs = Array.from({ length: 3_000 }, (_, index) =>
      job(`t${index}`, ['schema', 'table'], { workspace: `w${index % 20}` }),
    );
    const { outcomes } = await run(jobs, known, () => Promise.resolve(undefined));
    expect(outcomes.size).to.equal(3_000);
  });
});
