// CosFace's loss and gradients on TensorFlow.js's wasm backend in Chromium: this package's kernels in WebAssembly against
// composed operations, in turns. `node bench/browser/step.mjs [batch classes dim]`; needs `npm run build` and Chromium.
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { build } from 'vite';

const root = fileURLToPath(new URL('../..', import.meta.url));
const app = join(root, 'build-test/bench-browser');
const ROUNDS = 5;
const TURNS = 3;
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };

/** By Vite, as an app that has installed the package. */
async function bundle() {
  rmSync(app, { recursive: true, force: true });
  mkdirSync(join(app, 'node_modules'), { recursive: true });
  symlinkSync(root, join(app, 'node_modules/cosface'));
  const installed = {
    name: 'installed-in-the-app',
    enforce: 'pre',
    resolveId(source) {
      return source === 'cosface' ? this.resolve(source, join(app, 'main.js'), { skipSelf: true }) : null;
    },
  };
  const input = join(root, 'bench/browser/page.js');
  const rollupOptions = { input, output: { entryFileNames: 'page.js' } };
  await build({ configFile: false, logLevel: 'error', root: app, plugins: [installed], build: { rollupOptions } });
}

function serve() {
  const wasm = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'));
  const server = createServer(({ url }, response) => {
    const { pathname } = new URL(url, 'http://localhost');
    const type = TYPES[extname(pathname)] ?? 'text/html';
    if (pathname === '/')
      return response.setHeader('content-type', type).end('<script type="module" src="page.js"></script>');
    const file = pathname.startsWith('/wasm/') ? join(wasm, pathname.slice(6)) : join(app, 'dist', pathname);
    if (!existsSync(file)) return response.writeHead(404).end();
    response.setHeader('content-type', type).end(readFileSync(file));
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

const [batch = 128, classes = 2000, dim = 128] = process.argv.slice(2).map(Number);
await bundle();
const server = await serve();
const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const ways = { kernels: { query: '', times: [] }, composed: { query: '?composed', times: [] } };
for (let turn = 0; turn < TURNS; turn++) {
  for (const [name, way] of Object.entries(ways)) {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/${way.query}`);
    await page.waitForFunction('globalThis.timeSteps');
    const outcome = await page.evaluate((shape) => globalThis.timeSteps(shape), {
      batch,
      classes,
      dim,
      rounds: ROUNDS,
    });
    if (outcome.kernels !== (name === 'kernels')) throw new Error(`${name}: kernels ${outcome.kernels}`);
    way.times.push(...outcome.times);
    way.loss = outcome.loss;
    await page.close();
  }
}
await browser.close();
server.close();
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
for (const [name, { times, loss }] of Object.entries(ways))
  console.log(
    `${name}: median ${median(times).toFixed(1)} ms, least ${Math.min(...times).toFixed(1)} ms, loss ${loss}`,
  );
const ratio = median(ways.composed.times) / median(ways.kernels.times);
console.log(`N ${batch}, C ${classes}, D ${dim}: composed operations take ${ratio.toFixed(1)} times as long`);
