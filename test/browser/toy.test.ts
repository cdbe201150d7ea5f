import type { Server } from 'node:http';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { root } from '../cli/run-cli.js';
import { bundle, isBuilt } from './bundle.js';
import { addressOf, chromiumPath, launchChromium, serveFiles } from './chromium.js';

describe.skipIf(!chromiumPath || !isBuilt)('the toy on a circle in Chromium', () => {
  let browser: Browser;
  let server: Server;
  const problems: string[] = [];

  beforeAll(async () => {
    const { folder } = await bundle(join(root, 'examples/browser/toy.js'), 'toy');
    server = await serveFiles((path) =>
      path === '/toy.js' ? join(folder, 'program.js') : join(root, 'examples/browser', path),
    );
    browser = await launchChromium();
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  /** Trains with a margin, and returns the first and the last picture of the circle, and the last words. */
  async function train(page: Page, margin: number) {
    await page.fill('#margin', String(margin));
    await page.click('button');
    const picture = () => page.$eval('#circle', (canvas) => (canvas as unknown as { toDataURL(): string }).toDataURL());
    await page.waitForSelector(`#progress:is([data-state="training"], [data-state="error"])`);
    expect(await page.textContent('#progress')).toContain('Epoch');
    const first = await picture();
    await page.waitForSelector('#progress[data-state="done"]', { timeout: 100_000 });
    const words = (await page.textContent('#progress')) ?? '';
    const [, loss, tightness] = /loss (\S+), tightness (\S+)/.exec(words) ?? [];
    return { first, last: await picture(), words, loss: Number(loss), tightness: Number(tightness) };
  }

  test('trains, draws on the way, and a margin draws classes together', async () => {
    const page = await browser.newPage();
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (message) => message.text().startsWith('COSFACE_') && problems.push(message.text()));
    await page.goto(`${addressOf(server)}/toy.html`);
    const without = await train(page, 0);
    const withMargin = await train(page, 0.2);
    console.log(`${without.words}; with the margin: ${withMargin.words}`);
    for (const { first, last, words } of [without, withMargin]) {
      expect(words).toContain('Epoch 60 of 60');
      expect(first).not.toBe(last);
    }
    expect(withMargin.tightness).toBeGreaterThan(without.tightness);
    expect(withMargin.tightness).toBeGreaterThan(0.95);
    expect(problems).toEqual([]);
  }, 200_000);
});
