// Photographs the dashboard with what was recorded: bundles the page, opens it in a headless Chromium, and makes a small PNG of it.
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';

import { build } from 'esbuild';
import puppeteer from 'puppeteer-core';
import sharp from 'sharp';

const here = import.meta.dirname;
const ORIGIN = 'http://dashboard.invalid';
const TYPES = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' };
const PAGE = `<!doctype html><meta charset="utf-8"><title>dashboard</title>
<link rel="stylesheet" href="/page.css"><link rel="stylesheet" href="/style.css"><body><script src="/page.js"></script>`;

export async function picture(dashboard, recording, { chromium, note }) {
  await writeFile(join(here, 'input.json'), JSON.stringify({ dashboard, recording }));
  await build({
    entryPoints: [join(here, 'page.tsx')], outfile: join(here, 'bundle/page.js'), bundle: true, jsx: 'automatic', logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"production"' }, loader: { '.ttf': 'empty' },
  });
  const browser = await puppeteer.launch({ executablePath: chromium, args: ['--no-sandbox', '--force-color-profile=srgb'] });
  try {
    return await small(await photograph(browser), note);
  } finally {
    await browser.close();
  }
}

async function photograph(browser) {
  const page = await browser.newPage();
  await page.setViewport({ width: 1500, height: 1000 });
  await page.setRequestInterception(true);
  page.on('request', serve);
  const failed = once(page, 'pageerror').then(([error]) => { throw error; });
  await page.goto(ORIGIN);
  await Promise.race([failed, page.waitForSelector('body.drawn')]);
  await page.waitForNetworkIdle();
  return (await page.$('main')).screenshot();
}

// All that the page may ask for. Icons and fonts are where Grafana's server has them; nothing leaves the machine.
async function serve(request) {
  const { pathname } = new URL(request.url());
  if (pathname === '/') return request.respond({ contentType: 'text/html', body: PAGE });
  const file = pathname === '/style.css' ? 'style.css' : pathname
    .replace(/^\/public\/build\//, 'node_modules/@grafana/ui/dist/public/')
    .replace('/public/fonts/inter/Inter-Regular', 'node_modules/@fontsource/inter/files/inter-latin-400-normal')
    .replace('/public/fonts/inter/Inter-Medium', 'node_modules/@fontsource/inter/files/inter-latin-500-normal')
    .replace(/^\//, 'bundle/');
  const body = await readFile(join(here, file)).catch(() => null);
  return body ? request.respond({ contentType: TYPES[extname(file)], body }) : request.respond({ status: 404, body: '' });
}

// The note is where a test finds it as it is, since PNG does not compress EXIF.
const small = (png, note) =>
  sharp(png).withExif({ IFD0: { ImageDescription: note } }).png({ palette: true, colours: 96, dither: 0, effort: 10 }).toBuffer();
