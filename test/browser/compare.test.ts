import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FlipPooling } from '../../src/models/model-description.js';
import { saveModelFolder } from '../../src/models/model-folder.js';
import { verifyFaces } from '../../src/recognise/verify-faces.js';
import { root } from '../cli/run-cli.js';
import { encoded, madeImage, temporaryFolder } from '../data/made-images.js';
import { smallModel } from '../recognise/small-model.js';

const chrome = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.json': 'application/json' };

/** Serves the example, and a model's folder as /model. */
function serve(model: string): Promise<Server> {
  const server = createServer(({ url = '/' }, response) => {
    const path = new URL(url, 'http://localhost').pathname.replace(/\/$/, '/index.html');
    const file = path.startsWith('/model/') ? join(model, path.slice(7)) : join(root, 'examples/browser', path);
    const there = existsSync(file);
    response.writeHead(there ? 200 : 404, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
    response.end(there ? readFileSync(file) : '');
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

describe.skipIf(!chrome)('the example page in Chromium', () => {
  let browser: Browser;
  beforeAll(async () => {
    tf.setBackend('cpu');
    browser = await chromium.launch({ executablePath: chrome as string, args: ['--no-sandbox'] });
  });
  afterAll(() => browser.close());

  /** The page with TensorFlow.js from npm's package: its hash must be the one that the page asks of the network. */
  async function open(server: Server, query = ''): Promise<Page> {
    const page = await browser.newPage();
    const library = createRequire(import.meta.url).resolve('@tensorflow/tfjs/dist/tf.min.js');
    await page.route('https://cdn.jsdelivr.net/npm/@tensorflow/tfjs@4.22.0/dist/tf.min.js', (route) =>
      route.fulfill({ path: library, headers: { 'access-control-allow-origin': '*' } }),
    );
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/${query}`);
    return page;
  }

  const stateOf = (page: Page, state: string) => page.waitForSelector(`#answer[data-state="${state}"]`);

  test.each<FlipPooling>(['none', 'concatenate', 'add'])(
    'scores as cosface verify does, mirror images: %s',
    async (flip) => {
      const folder = temporaryFolder();
      const model = smallModel({ flip });
      await saveModelFolder(join(folder, 'model'), model);
      const photos = [join(folder, 'a.png'), join(folder, 'b.png')] as const;
      // Of the model's size, so that no resampling differs.
      for (const [at, photo] of photos.entries()) writeFileSync(photo, await encoded(madeImage(8, 12, 60 * at), 'png'));
      const { score, same } = await verifyFaces(model, ...photos);
      const server = await serve(join(folder, 'model'));
      try {
        const page = await open(server);
        await stateOf(page, 'ready');
        await page.setInputFiles('#left', photos[0]);
        await page.setInputFiles('#right', photos[1]);
        await stateOf(page, 'answered');
        const text = (await page.textContent('#answer')) ?? '';
        expect(Number(/Score (-?\d\.\d+)/.exec(text)?.[1])).toBeCloseTo(score, 3);
        expect(text).toContain(same ? 'the same person' : 'two people');
        expect(text).toContain('it accepted at most 0.1 % of the pairs of two people\nand 75.0 % of those of one');
        writeFileSync(join(folder, 'c.png'), 'no image');
        await page.setInputFiles('#left', join(folder, 'c.png'));
        await stateOf(page, 'error');
        expect(await page.textContent('#answer')).toContain('c.png cannot be used');
      } finally {
        server.close();
      }
    },
  );

  test('no model: says so', async () => {
    const server = await serve(temporaryFolder());
    try {
      const page = await open(server, '?model=elsewhere');
      await stateOf(page, 'error');
      expect(await page.textContent('#answer')).toContain("No model in 'elsewhere': elsewhere/cosface.json: 404");
    } finally {
      server.close();
    }
  });
});
