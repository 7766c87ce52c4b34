// A hook that asks Mercurial what slave-sync asks, and does nothing with it. Node built-ins only; see idle.bench.ts.
// Arguments: the repository, then the files to read.
import { spawn } from 'node:child_process';

const [root, ...files] = process.argv.slice(2);
const hg = spawn(process.env.HG ?? 'hg', ['serve', '--cmdserver', 'pipe', '-R', root], {
  cwd: root,
  env: { ...process.env, HGPLAIN: '1', HGENCODING: 'UTF-8' },
  stdio: ['pipe', 'pipe', 'inherit'],
});

let buffer = Buffer.alloc(0);
let output = [];
let onFrame = () => undefined;
hg.stdout.on('data', (chunk) => {
  buffer = Buffer.concat([buffer, chunk]);
  while (buffer.length >= 5 && buffer.length >= 5 + buffer.readUInt32BE(1)) {
    const end = 5 + buffer.readUInt32BE(1);
    const [channel, part] = [String.fromCharCode(buffer[0]), buffer.subarray(5, end)];
    buffer = buffer.subarray(end);
    if (channel === 'o') output.push(part);
    onFrame(channel);
  }
});

function until(channel) {
  return new Promise((resolve) => {
    onFrame = (seen) => {
      if (seen === channel) resolve(Buffer.concat(output));
    };
  });
}

async function command(...args) {
  const text = Buffer.from(args.join('\0'));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  output = [];
  hg.stdin.write(Buffer.concat([Buffer.from('runcommand\n'), length, text]));
  return until('r');
}

await until('o');
const revision = await command(
  'log',
  '-r',
  'head() and branch("literal:default") and not closed()',
  '-T',
  '{node}\n',
);
const node = revision.toString().trim();
await command('manifest', '-r', node, '-T', '{hash} {type} {path}\\0');
if (files.length > 0)
  await command(
    'cat',
    '-r',
    node,
    '-T',
    '{data|count} {path}\\0{data}',
    ...files.map((file) => `path:${file}`),
  );
hg.stdin.end();
