import { readdirSync, readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { root } from '../cli/run-cli.js';
import type { Vectors } from '../loss/family/vector-outcome.js';
import { relativeError } from '../problem.js';
import { type Bundle, bundle, isBuilt } from './bundle.js';
import { addressOf, chromiumPath, launchChromium, serveFiles } from './chromium.js';

const programFile = (name: string) => join(root, 'test/browser/programs', name);
const vectors = JSON.parse(readFileSync(join(root, 'test/vectors/family.json'), 'utf8')) as Vectors;

/** What comes out wrong in tfjs-backend-webgpu 4.22 is an error there. */
const isRefused = ({ loss, options }: Vectors['cases'][number]) =>
  loss === 'tripletLoss' && options['mining'] !== 'hard';

/** What test/browser/programs/losses.js puts on the page. */
interface Program {
  useBackend(name: string): Promise<string>;
  hasKernels(): boolean;
  vectors(given: Vectors): Promise<Array<Record<string, number[]>>>;
  fitHead(): Promise<number[]>;
  backbone: string;
}
declare const program: Program;

describe.skipIf(!isBuilt)('the package for browsers', () => {
  test('asks for nothing of Node', () => {
    const folder = join(root, 'dist/browser');
    const files = readdirSync(folder).filter((name) => name.endsWith('.js'));
    expect(files.length).toBeGreaterThan(1);
    for (const name of files) {
      const code = readFileSync(join(folder, name), 'utf8');
      expect(code, name).not.toMatch(/['"]node:|\brequire\(|\bBuffer\b|\b__dirname\b/);
    }
  });

  test('is less than 60 kB packed by gzip, the WebAssembly included and TensorFlow.js left out', async () => {
    const { code } = await bundle(programFile('everything.js'), 'everything', [/^@tensorflow\//]);
    const bytes = Object.values(code).reduce((sum, text) => sum + gzipSync(text, { level: 9 }).length, 0);
    console.log(`the package for browsers: ${bytes} bytes packed by gzip`);
    expect(bytes).toBeGreaterThan(20_000);
    expect(bytes).toBeLessThan(60_000);
  }, 120_000);
});

describe.skipIf(!chromiumPath || !isBuilt)('losses in Chromium', () => {
  let browser: Browser;
  let server: Server;
  let made: Bundle;
  let page: Page;

  beforeAll(async () => {
    made = await bundle(programFile('losses.js'), 'losses');
    const wasm = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'));
    server = await serveFiles((path) => {
      if (path.startsWith('/wasm/')) return join(wasm, path.slice(6));
      return path === '/index.html' ? programFile('page.html') : join(made.folder, path);
    });
    browser = await launchChromium({ webgpu: true });
  }, 240_000);

  beforeEach(async () => {
    page = await browser.newPage();
    await page.goto(`${addressOf(server)}/`);
    await page.waitForFunction('globalThis.program !== undefined');
  });
  afterEach(() => page.close());

  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  describe.each([
    ['cpu', true, 1e-5],
    ['wasm', true, 1e-5],
    // Composed operations in the fp32 of a GPU, whose exp and log are less exact.
    ['webgl', false, 5e-4],
    ['webgpu', false, 5e-4],
  ] as const)('on %s', (backend, kernels, tolerance) => {
    test('all stored vectors', async () => {
      expect(await page.evaluate((name) => program.useBackend(name), backend)).toBe(backend);
      const given = { ...vectors, cases: vectors.cases.filter((one) => backend !== 'webgpu' || !isRefused(one)) };
      const outcomes = await page.evaluate((all) => program.vectors(all), given);
      expect(await page.evaluate(() => program.hasKernels())).toBe(kernels);
      expect(outcomes).toHaveLength(given.cases.length);
      const wrong = given.cases.flatMap(({ loss, expected }, i) =>
        Object.entries(expected).flatMap(([name, values]) => {
          const error = relativeError(outcomes[i]?.[name] ?? [], [values].flat(2) as number[]);
          return error < tolerance ? [] : [`${loss} ${name}: ${error}`];
        }),
      );
      expect(wrong).toEqual([]);
      for (const one of vectors.cases.filter((one) => !given.cases.includes(one))) {
        const refused = page.evaluate((all) => program.vectors(all), { ...vectors, cases: [one] });
        await expect(refused).rejects.toThrow('COSFACE_UNSUPPORTED: mining');
      }
    }, 240_000);
  });

  test('model.fit with a head learns on the wasm backend', async () => {
    expect(await page.evaluate(() => program.useBackend('wasm'))).toBe('wasm');
    const losses = await page.evaluate(() => program.fitHead());
    expect(losses.at(-1)).toBeLessThan((losses[0] as number) / 2);
    expect(await page.evaluate(() => program.backbone)).toBe('function');
  }, 60_000);
});
