// Draws a dashboard with what is recorded while the demo runs: node main.mjs DASHBOARD PICTURE DEMO PROMETHEUS CHROMIUM
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';

import { picture } from './picture.mjs';
import { record } from './record.mjs';

const [path, out, demo, prometheus, chromium] = process.argv.slice(2);
const text = await readFile(path);
const dashboard = JSON.parse(text);
// A test looks for this, so that the picture does not outlive the dashboard that it shows.
const note = `sha256 ${createHash('sha256').update(text).digest('hex')}`;
const png = await picture(dashboard, await record(dashboard, { demo, prometheus }), { chromium, note });
await writeFile(out, png);
console.log(`${out}: ${Math.ceil(png.length / 1000)} kB`);
