import { writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { backbone } from '../../src/models/backbone.js';
import type { BackboneName } from '../../src/models/backbone-names.js';
import type { FlipPooling } from '../../src/models/model-description.js';
import { type FaceModel, saveModelFolder } from '../../src/models/model-folder.js';
import { verifyFaces } from '../../src/recognise/verify-faces.js';
import { root } from '../cli/run-cli.js';
import { encoded, madeImage, temporaryFolder } from '../data/made-images.js';
import { smallModel } from '../recognise/small-model.js';
import { addressOf, chromiumPath, launchChromium, serveFiles } from './chromium.js';

/** Serves the example, and a model's folder as /model. */
function serve(model: string): Promise<Server> {
  return serveFiles((path) =>
    path.startsWith('/model/') ? join(model, path.slice(7)) : join(root, 'examples/browser', path),
  );
}

describe.skipIf(!chromiumPath)('the example page in Chromium', () => {
  let browser: Browser;
  beforeAll(async () => {
    tf.setBackend('cpu');
    browser = await launchChromium();
  });
  afterAll(() => browser.close());

  /** The page with TensorFlow.js from npm's package: its hash must be the one that the page asks of the network. */
  async function open(server: Server, query = ''): Promise<Page> {
    const page = await browser.newPage();
    page.setDefaultTimeout(50_000);
    const library = createRequire(import.meta.url).resolve('@tensorflow/tfjs/dist/tf.min.js');
    await page.route('https://cdn.jsdelivr.net/npm/@tensorflow/tfjs@4.22.0/dist/tf.min.js', (route) =>
      route.fulfill({ path: library, headers: { 'access-control-allow-origin': '*' } }),
    );
    await page.goto(`${addressOf(server)}/${query}`);
    return page;
  }

  const stateOf = (page: Page, state: string) => page.waitForSelector(`#answer[data-state="${state}"]`);

  /** What the page says of two pictures, and what comes of a file that is no picture. */
  async function compareInPage(folder: string, photos: readonly [string, string]): Promise<string> {
    const server = await serve(folder);
    try {
      const page = await open(server);
      await stateOf(page, 'ready');
      await page.setInputFiles('#left', photos[0]);
      await page.setInputFiles('#right', photos[1]);
      await stateOf(page, 'answered');
      const text = (await page.textContent('#answer')) ?? '';
      await page.setInputFiles('#left', join(folder, 'model.json'));
      await stateOf(page, 'error');
      expect(await page.textContent('#answer')).toContain('model.json cannot be used');
      return text;
    } finally {
      server.close();
    }
  }

  /** Two pictures of the model's size, so that no resampling differs. */
  async function twoPhotos({ input }: FaceModel['description']): Promise<[string, string]> {
    const folder = temporaryFolder();
    const photos: [string, string] = [join(folder, 'a.png'), join(folder, 'b.png')];
    for (const [at, photo] of photos.entries())
      writeFileSync(photo, await encoded(madeImage(input.width, input.height, 60 * at), 'png'));
    return photos;
  }

  const scoreIn = (text: string) => Number(/Score (-?\d\.\d+)/.exec(text)?.[1]);

  test.each<FlipPooling>(['none', 'concatenate', 'add'])(
    'scores as cosface verify does, mirror images: %s',
    async (flip) => {
      const folder = temporaryFolder();
      const model = smallModel({ flip });
      await saveModelFolder(folder, model);
      const photos = await twoPhotos(model.description);
      const { score, same } = await verifyFaces(model, ...photos);
      const text = await compareInPage(folder, photos);
      expect(scoreIn(text)).toBeCloseTo(score, 3);
      expect(text).toContain(same ? 'the same person' : 'two people');
      expect(text).toContain('it accepted at most 0.1 % of the pairs of two people\nand 75.0 % of those of one');
    },
  );

  test.each<BackboneName>(['sphereface4', 'mobilefacenet', 'iresnet18'])('a backbone loads: %s', async (name) => {
    const folder = temporaryFolder();
    const [height, width, dim] = [56, 48, 16];
    const widths = name === 'mobilefacenet' ? undefined : ([4, 4, 8, 8] as const);
    const { description } = smallModel({ flip: 'concatenate' });
    const model: FaceModel = {
      model: backbone({ name, height, width, dim, widths, seed: 1 }),
      description: {
        ...description,
        input: { ...description.input, height, width },
        embedding: { dim, flip: 'concatenate' },
      },
    };
    await saveModelFolder(folder, model);
    const photos = await twoPhotos(model.description);
    const { score } = await verifyFaces(model, ...photos);
    expect(scoreIn(await compareInPage(folder, photos))).toBeCloseTo(score, 3);
  });

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
