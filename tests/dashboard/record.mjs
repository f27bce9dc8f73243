// Plays the demo while a Prometheus scrapes its operator, then asks that Prometheus what the dashboard's panels ask.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

// In seconds. The story takes about half a minute.
const SCRAPE_INTERVAL = 1;
const CALM_AFTER = 5;

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

// The answers by panel and query, and the time from the first scrape of the operator to the last one.
export async function record(dashboard, { prometheus, demo }) {
  const folder = join(import.meta.dirname, 'prometheus');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  const operator = await freeAddress();
  const address = await freeAddress();
  await writeFile(join(folder, 'prometheus.json'), JSON.stringify({
    global: { scrape_interval: `${SCRAPE_INTERVAL}s`, scrape_timeout: `${SCRAPE_INTERVAL}s` },
    scrape_configs: [{ job_name: 'demo', static_configs: [{ targets: [operator] }] }],
  }));
  const server = start(prometheus, [
    `--config.file=${join(folder, 'prometheus.json')}`, `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=${address}`, '--log.level=error',
  ], { stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    await untilReady(server, address);
    await play(demo, operator);
    return await askAll(dashboard, address);
  } finally {
    server.kill();
  }
}

// What is started ends with this process.
function start(...what) {
  const child = spawn(...what);
  process.once('exit', () => child.kill());
  return child;
}

async function freeAddress() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return `127.0.0.1:${port}`;
}

async function untilReady(server, address) {
  for (;;) {
    if (server.exitCode !== null) throw new Error(`Prometheus ended with ${server.exitCode}; what it said is above`);
    const ready = await fetch(`http://${address}/-/ready`).then(({ ok }) => ok, () => false);
    if (ready) return;
    await sleep(100);
  }
}

// On a terminal of its own, which script(1) makes: there the demo leaves time between its chapters, and goes on after the last one.
async function play(demo, operator) {
  console.log('playing the demo while Prometheus scrapes its operator: about a minute');
  const env = { ...process.env, DEMO: demo, DEMO_ONCE: '', DEMO_HTTP_ADDRESS: operator };
  const command = ['--quiet', '--flush', '--return', '--command', 'exec "$DEMO"', '/dev/null'];
  const terminal = start('script', command, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(terminal, 'exit');
  let said = '';
  const isOver = new Promise((resolve) => {
    terminal.stdout.on('data', (chunk) => { if ((said += chunk).includes('Ctrl-C ends it all')) resolve(); });
  });
  await Promise.race([isOver, ended]);
  await Promise.race([sleep(CALM_AFTER * 1000), ended]);
  if (terminal.exitCode === null) terminal.stdin.write('\x03');
  const [code] = await ended;
  if (code !== 0) throw new Error(`the demo went wrong; try \`make demo\`. It said:\n${said}`);
}

async function askAll(dashboard, address) {
  const ask = async (path, parameters) => {
    const answer = await (await fetch(`http://${address}/api/v1/${path}?${new URLSearchParams(parameters)}`)).json();
    if (answer.status !== 'success') throw new Error(`Prometheus to ${parameters.query}: ${answer.error}`);
    return answer.data.result;
  };
  const [up] = await ask('query', { query: 'up[10m]' });
  const scraped = up.values.filter(([, value]) => value === '1').map(([time]) => time);
  const to = scraped.at(-1);
  const from = to - Math.floor(to - scraped[0]);
  const answers = {};
  for (const panel of dashboard.panels) {
    for (const { refId, expr, instant } of panel.targets ?? []) {
      const query = expr.replaceAll('$namespace', '.*').replaceAll('$__rate_interval', `${4 * SCRAPE_INTERVAL}s`);
      answers[`${panel.id} ${refId}`] = instant
        ? await ask('query', { query, time: to })
        : await ask('query_range', { query, start: from, end: to, step: SCRAPE_INTERVAL });
    }
  }
  return { from, to, step: SCRAPE_INTERVAL, answers };
}
