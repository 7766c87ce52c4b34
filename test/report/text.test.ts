import { expect } from 'chai';
import { jobText, plain, runText } from '../../src/report/text.js';
import type { TaskReport } from '../../src/report/types.js';
import { failed, layer } from './rig.js';

const same = (text: string): string => text;
const at = new Date('2026-11-20T10:00:00.000Z');

describe('report/text', () => {
  it('lays out a job as operators know it: tasks, and the stages of a task on several servers', () => {
    const task = (
      type: string,
      target: string,
      state: TaskReport['state'],
      message?: string,
    ): TaskReport => ({ type, object: 'o', target, state, message, finishedAt: at });
    const report = failed('ws1', 'roads', 'http://b: HTTP 500', {
      finishedAt: at,
      tasks: [
        task('restore_table', 'db', 'done'),
        task('update_feature_type', 'http://a', 'done'),
        task('update_feature_type', 'http://b', 'failed', 'HTTP 500'),
        { ...task('update_layer', 'http://b', 'blocked', 'HTTP 500'), finishedAt: undefined },
      ],
    });
    expect(jobText(report, same)).to.equal(`Sync File : dpaw/layers/ws1.roads.json
    Last Process Time : 2026-11-20T10:00:00.000Z
    Succeed : False
    Message : http://b: HTTP 500

    Task 1 : restore_table
        Succeed : True
        Process Time : 2026-11-20T10:00:00.000Z

    Task 2 : update_feature_type
        Succeed : False
        Process Time : 2026-11-20T10:00:00.000Z

        Stage : http://a
            Succeed : True
            Process Time : 2026-11-20T10:00:00.000Z

        Stage : http://b
            Succeed : False
            Process Time : 2026-11-20T10:00:00.000Z
            Message : HTTP 500

    Task 3 : update_layer
        Succeed : False
        Message : not tried: HTTP 500`);
  });

  it('shows the remark on a job that is done', () => {
    expect(jobText(layer('ws1', 'roads', { remark: 'a\nb', tasks: [] }), same)).to.match(
      /True\n {4}Message : a \| b$/,
    );
  });

  it('keeps messages of several lines from looking like a part of the layout', () => {
    const text = jobText(
      failed('ws1', 'roads', 'no\n\n    Task 9 : restore_table\n        Succeed : True'),
      same,
    );
    expect(text.split('\n')).not.to.include('    Task 9 : restore_table');
    expect(text).to.include('Message : no | Task 9 : restore_table | Succeed : True');
  });

  for (const [what, trace] of [
    [
      'Node',
      'TypeError: boom\n    at run (/opt/x.js:1:2)\n    at async file:///opt/y.js:3:4\n    at node:internal/x:1:2',
    ],
    ['Java', 'TypeError: boom\n\tat org.geoserver.Main.run(Main.java:12)\n\t... 12 more'],
    ['Python', 'Traceback (most recent call last):\n  File "x.py", line 3, in run\nTypeError: boom'],
  ] as const)
    it(`leaves out the stack trace of ${what}`, () => {
      expect(plain(trace, same)).to.equal('TypeError: boom');
    });

  it('disarms what the pages of the master would show as HTML', () => {
    const report = failed('ws1', '<b>', '<img src=x onerror=alert(1)>', {
      path: 'dpaw/layers/<script>.json',
    });
    const text =
      jobText(report, same) + runText({ succeeded: false, endedAt: at, files: [file('<i>')] }, same);
    expect(text).not.to.match(/[<>]/);
  });

  it('redacts before it cuts, so that no part of a secret is left', () => {
    const text = plain(`${'x'.repeat(995)}SECRET-VALUE`, (whole) => whole.replaceAll('SECRET-VALUE', '***'));
    expect(text).not.to.include('SECR');
  });

  it('is bounded, and says that it was cut', () => {
    const tasks = Array.from({ length: 500 }, (_, number) => ({
      type: `task_${number}`,
      object: 'o',
      target: 'db',
      state: 'failed' as const,
      message: 'm'.repeat(5_000),
    }));
    const text = jobText(layer('ws1', 'roads', { tasks }), same);
    expect(text.length).to.be.within(7_000, 8_000);
    expect(text).to.match(/\(\d+ more\)$/);
    const files = Array.from({ length: 5_000 }, (_, number) => file(`f${number}`));
    const run = runText({ succeeded: false, endedAt: at, files }, same);
    expect(run.length).to.be.within(20_000, 33_000);
    expect(run).to.match(/\.\.\. and \d+ more$/);
  });

  it('shows what failed first', () => {
    const files = [{ ...file('good'), succeeded: true }, file('bad')];
    const text = runText({ succeeded: false, endedAt: at, files }, same);
    expect(text.indexOf('bad')).to.be.lessThan(text.indexOf('good'));
  });

  function file(path: string) {
    return { path, action: 'publish', succeeded: false, message: 'no' };
  }
});
