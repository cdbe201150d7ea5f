import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { loadModelFolder } from '../../src/models/model-folder.js';
import { CosFaceError } from '../../src/native/errors.js';
import { readCheckpoint } from '../../src/train/checkpoint.js';
import { runFolder } from '../../src/train/run-folder.js';
import type { TrainSettingsInput } from '../../src/train/train-settings.js';
import { type TrainEvent, Trainer, type TrainOutcome } from '../../src/train/trainer.js';
import { refusal, temporaryFolder } from '../data/made-images.js';
import { makePeople, useMadePeople } from './made-people.js';
import { SMALL } from './train-program.js';

const people = useMadePeople();

function settings(more: object = {}): TrainSettingsInput {
  return { ...SMALL, data: { path: people(), threads: 0 }, ...more };
}

interface Trained {
  outcome: TrainOutcome;
  events: TrainEvent[];
  out: string;
}

async function trained(
  more: object = {},
  { out = join(temporaryFolder(), 'run'), resume = false, signal = undefined as AbortSignal | undefined } = {},
): Promise<Trained> {
  const events: TrainEvent[] = [];
  const given = resume && Object.keys(more).length === 0 ? undefined : settings(more);
  const trainer = await Trainer.open({ settings: given, out, resume, onEvent: (event) => events.push(event) });
  try {
    return { outcome: await trainer.run(signal ? { signal } : {}), events, out };
  } finally {
    await trainer.close();
  }
}

const tensorsOf = async (out: string) => (await readCheckpoint(join(out, 'last.ckpt'), () => {})).tensors;

test('learns, verifies, and leaves a folder with all that belongs to a run', async () => {
  const { outcome, events, out } = await trained({
    steps: 60,
    verification: { share: 0.3, testShare: 0.2, every: 20 },
  });
  expect(outcome).toMatchObject({ end: 'finished', step: 60 });
  const { verification, test: last, bestStep, backend, identities } = outcome.figures!;
  expect(backend).toBe('wasm');
  expect(identities).toBe(6);
  expect(verification!.auc).toBeGreaterThan(0.8);
  expect(last!.atThreshold!.cosine).toBe(verification!.threshold!.cosine);
  expect(bestStep! % 20).toBe(0);
  const losses = events.filter((event) => event.kind === 'step').map(({ loss }) => loss);
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  expect(mean(losses.slice(-10))).toBeLessThan(0.7 * mean(losses.slice(0, 10)));
  expect(readdirSync(out).sort()).toEqual([
    'best',
    'events.out.tfevents.cosface',
    'figures.json',
    'last',
    'last.ckpt',
    'last.ckpt.previous',
    'metrics.jsonl',
    'report.html',
    'settings.json',
  ]);
  const { model, description } = await loadModelFolder(join(out, 'best'));
  expect(description).toEqual({
    input: { height: 16, width: 16, alignment: null, normalisation: 'cosface' },
    embedding: { dim: 8, flip: 'concatenate' },
    threshold: verification!.threshold,
  });
  model.dispose();
  const report = readFileSync(join(out, 'report.html'), 'utf8');
  expect(report).not.toMatch(/<script|src=|href=|url\(/);
  for (const title of ['Loss', 'Receiver operating characteristic', 'Embeddings of people never seen', 'Learning rate'])
    expect(report).toContain(`<title>${title}`);
  const saved = JSON.parse(readFileSync(join(out, 'settings.json'), 'utf8'));
  expect(saved).toMatchObject({ steps: 60, batch: { size: 8 }, loss: { name: 'cosface' } });
});

test('two parts of a batch give the step of the whole', async () => {
  // Batch normalisation looks at a part at a time, so it must be left out.
  const plain = { model: { ...SMALL.model, batchNorm: false, embeddingBatchNorm: false }, steps: 6, augmentation: {} };
  const whole = await trained({ ...plain, batch: { size: 8, accumulate: 1 } });
  const parts = await trained({ ...plain, batch: { size: 8, accumulate: 4 } });
  const [one, other] = [await tensorsOf(whole.out), await tensorsOf(parts.out)];
  one.forEach(({ name, values }, at) => {
    const error = Math.max(...values.map((value, k) => Math.abs(value - other[at]!.values[k]!)));
    expect(error, name).toBeLessThan(1e-5);
  });
});

test('clipping bounds the step', async () => {
  const one = { steps: 1, batch: { size: 8 }, optimizer: { learningRate: 1, momentum: 0, weightDecay: 0 } };
  const lengths: number[] = [];
  for (const clip of [null, 0.01]) {
    const { out } = await trained({ ...one, optimizer: { ...one.optimizer, clip } });
    const velocities = (await tensorsOf(out)).filter(({ name }) => name.startsWith('velocity/'));
    lengths.push(Math.hypot(...velocities.flatMap(({ values }) => [...values])));
  }
  expect(lengths[0]).toBeGreaterThan(0.1);
  expect(lengths[1]).toBeCloseTo(0.01, 6);
});

test('a loss that leaves the numbers is named with its step, and the last checkpoint is whole', async () => {
  const out = join(temporaryFolder(), 'run');
  const wild = {
    optimizer: { learningRate: 1e3 },
    model: { ...SMALL.model, batchNorm: false, embeddingBatchNorm: false },
  };
  const softmax = { ...wild, loss: { name: 'softmax' }, schedule: { name: 'constant' }, checkpoint: { every: 1 } };
  const error = await refusal(trained(softmax, { out }));
  expect(error).toBeInstanceOf(CosFaceError);
  expect(error.code).toBe('COSFACE_NOT_FINITE');
  expect(error.message).toMatch(
    /step \d+ of 40 \(epoch [\d.]+, learning rate 1000, first image person-\d\d\/\d\.png\)/,
  );
  expect(error.message).toContain('Lower optimizer.learningRate');
  const values = (await tensorsOf(out)).flatMap((one) => [...one.values]);
  expect(values.every(Number.isFinite)).toBe(true);
});

test('ends early without a new best, and what is best stays', async () => {
  const { outcome } = await trained({
    ...{ steps: 400, optimizer: { learningRate: 1e-9, clip: null }, earlyStop: { patience: 2 } },
    ...{
      verification: { share: 0.3, every: 2 },
      model: { ...SMALL.model, batchNorm: false, embeddingBatchNorm: false },
    },
  });
  expect(outcome.end).toBe('early');
  expect(outcome.step).toBeLessThan(100);
  expect(outcome.figures!.bestStep).toBe(outcome.step - 4);
});

test('stopped by a signal and resumed, with more steps: the same as at once', async () => {
  const constant = { schedule: { name: 'constant' } };
  const whole = await trained({ ...constant, steps: 14 });
  const out = join(temporaryFolder(), 'run');
  const stop = new AbortController();
  const trainer = await Trainer.open({
    settings: settings({ ...constant, steps: 9 }),
    out,
    onEvent: (event) => event.kind === 'step' && event.step === 7 && stop.abort(),
  });
  expect(await trainer.run({ signal: stop.signal })).toEqual({ end: 'stopped', step: 7, figures: undefined });
  await trainer.close();
  expect(readdirSync(join(out, 'last'))).toContain('cosface.json');
  const rest = await trained({ ...constant, steps: 14 }, { out, resume: true });
  expect(rest.outcome.step).toBe(14);
  expect(await tensorsOf(out)).toEqual(await tensorsOf(whole.out));
});

test('a run is not overwritten, nor gone on with other images, nor from nothing', async () => {
  const { out } = await trained({ steps: 2 });
  expect((await refusal(trained({ steps: 2 }, { out }))).message).toMatch(
    /COSFACE_SETTINGS: .*there is a run in this folder/,
  );
  expect((await refusal(trained({ steps: 2, seed: 5 }, { out, resume: true }))).message).toMatch(/seed differ/);
  const others = temporaryFolder();
  await makePeople(others, { people: 12, images: 5 });
  const elsewhere = trained({ steps: 4, data: { path: others, threads: 0 } }, { out, resume: true });
  expect((await refusal(elsewhere)).message).toMatch(/COSFACE_CHECKPOINT: the images to train on are not those/);
  expect((await refusal(trained({}, { out: `${out}-none`, resume: true }))).message).toMatch(
    /there is no run to resume/,
  );
  const { settings } = runFolder(`${out}-none`);
  mkdirSync(`${out}-none`, { recursive: true });
  writeFileSync(settings, '[]');
  expect((await refusal(trained({}, { out: `${out}-none`, resume: true }))).message).toMatch(
    /settings\.json: it holds no group of settings\. Delete the folder/,
  );
  writeFileSync(join(out, 'last.ckpt'), 'torn');
  const { events } = await trained({}, { out, resume: true });
  expect(events).toContainEqual({ kind: 'note', text: expect.stringMatching(/damaged.*The one before it is taken/s) });
});

test('bad images are left out where the settings say so', async () => {
  const folder = temporaryFolder();
  await makePeople(folder);
  writeFileSync(join(folder, 'person-01', '0.png'), 'no picture');
  const data = { path: folder, threads: 0 };
  expect((await refusal(trained({ data, steps: 20 }))).message).toMatch(/person-01\/0\.png/);
  const { outcome } = await trained({ data: { ...data, badFiles: 'skip' }, steps: 20 });
  expect(outcome.figures!.badImages).toBe(1);
});

test('a thousand steps leave no tensor behind, and hardly any memory', { timeout: 400_000 }, async () => {
  const out = join(temporaryFolder(), 'run');
  const counts: number[] = [];
  const rss: number[] = [];
  const trainer = await Trainer.open({
    settings: settings({
      batch: { size: 4 },
      steps: 1000,
      verification: { share: 0.3, every: 100 },
      checkpoint: { every: 100 },
    }),
    out,
    onEvent: (event) => {
      if (event.kind !== 'checkpoint') return;
      counts.push(tf.memory().numTensors);
      rss.push(process.memoryUsage().rss / 2 ** 20);
    },
  });
  await trainer.run();
  await trainer.close();
  expect(new Set(counts).size).toBe(1);
  expect(rss.at(-1)! - rss[2]!).toBeLessThan(64);
});
