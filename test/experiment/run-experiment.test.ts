import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeExperiment } from '../../src/experiment/describe-experiment.js';
import { EXPERIMENTS, type Experiment, experiments } from '../../src/experiment/experiment.js';
import { experimentPictures } from '../../src/experiment/experiment-pictures.js';
import { runKey, runSettings } from '../../src/experiment/experiment-settings.js';
import {
  countRuns,
  type ExperimentEvent,
  type ExperimentOptions,
  type ExperimentResult,
  runExperiment,
} from '../../src/experiment/run-experiment.js';
import { summaryRows } from '../../src/experiment/summary.js';
import { checkSettings } from '../../src/train/train-settings.js';
import { temporaryFolder } from '../data/made-images.js';
import { useMadePeople } from '../train/made-people.js';
import { TINY } from './tiny-settings.js';

const TWO: Experiment = {
  name: 'losses',
  title: 'Two losses',
  against: 'softmax',
  methods: [
    {
      name: 'softmax',
      tries: [0.001, 0.05].map((learningRate) => ({ loss: { name: 'softmax' }, optimizer: { learningRate } })),
    },
    { name: 'LMCL', tries: [{ loss: { name: 'cosface', margin: 0.2 } }] },
  ],
};

const people = useMadePeople({ people: 24 });

function options(out: string, more: Partial<ExperimentOptions> = {}): ExperimentOptions {
  return { experiment: TWO, images: people(), steps: 12, seeds: 2, out, base: TINY, ...more };
}

const done = async (asked: ExperimentOptions) => (await runExperiment(asked)) as ExperimentResult;
const withoutTimes = (result: ExperimentResult) =>
  JSON.parse(JSON.stringify(result), (key, value) => (key === 'seconds' ? undefined : value));
const figuresOf = (out: string, folder: string) => JSON.parse(readFileSync(join(out, folder, 'figures.json'), 'utf8'));

test('each try once, the best on the people to choose on with every seed, and only that one looks at the last people', async () => {
  const out = temporaryFolder();
  const result = await done(options(out));
  const [softmax, lmcl] = result.methods;
  expect(softmax?.tries).toHaveLength(2);
  const best = [...(softmax?.tries ?? [])].sort((a, b) => b.validation.auc - a.validation.auc)[0];
  expect(softmax?.chosen).toEqual(best?.own);
  expect(softmax?.runs[0]?.validation).toEqual(best?.validation);
  expect(lmcl?.runs.map(({ seed }) => seed)).toEqual([1, 2]);
  expect(lmcl?.runs[0]?.test).not.toEqual(lmcl?.runs[1]?.test);
  const folders = readdirSync(out);
  expect(folders).toHaveLength(countRuns(TWO, 2));
  const looked = folders.filter((folder) => figuresOf(out, folder).test !== null);
  expect(looked).toHaveLength(4);
  // Everyone has one role, whatever the seed.
  const pairs = folders.map((folder) => figuresOf(out, folder).verification.genuine);
  expect(new Set(pairs).size).toBe(1);
}, 120_000);

test('what is done is not done again, and shared by experiments; broken off, it goes on to the same figures', async () => {
  const out = temporaryFolder();
  const interruption = new AbortController();
  let steps = 0;
  const stopSoon = (event: ExperimentEvent) => {
    if (event.kind === 'step' && ++steps === 20) interruption.abort();
  };
  expect(await runExperiment(options(out, { onEvent: stopSoon, signal: interruption.signal }))).toBeUndefined();
  const count = async (more: Partial<ExperimentOptions> = {}) => {
    let trained = 0;
    const onEvent = (event: ExperimentEvent) => {
      if (event.kind === 'step') trained++;
    };
    return { result: await done(options(out, { onEvent, ...more })), trained };
  };
  const resumed = await count();
  expect(resumed.trained).toBe(12 * countRuns(TWO, 2) - 20);
  expect((await count()).trained).toBe(0);
  expect((await count({ experiment: { ...TWO, methods: TWO.methods.slice(0, 1) } })).trained).toBe(0);
  expect(withoutTimes(resumed.result)).toEqual(withoutTimes(await done(options(temporaryFolder()))));
}, 120_000);

test('settings that are none are refused before anything is written', async () => {
  const out = join(temporaryFolder(), 'none');
  await expect(done(options(out, { base: { ...TINY, optimizer: { rate: 1 } } }))).rejects.toThrow(
    /Unrecognized key: "rate"/,
  );
  expect(() => readdirSync(out)).toThrow();
});

test('the seed changes the run and not who is held out', () => {
  const settings = (seed: number) => checkSettings(runSettings({ images: 'x', steps: 5 }, {}, seed), 'settings');
  expect(settings(2).verification).toEqual(settings(1).verification);
  expect(runKey(settings(2))).not.toBe(runKey(settings(1)));
  expect(runKey({ ...settings(1), backend: 'wasm' })).toBe(runKey(settings(1)));
});

test.each(EXPERIMENTS)(
  '%s: every try is a loss with options it has, as many for each method as for the others',
  (name) => {
    const { methods, against } = experiments[name];
    expect(methods.map((method) => method.name)).toContain(against);
    expect(new Set(methods.map(({ tries }) => tries.length)).size).toBe(1);
    for (const own of methods.flatMap(({ tries }) => tries))
      expect(checkSettings(runSettings({ images: 'x', steps: 5 }, own, 1), 'settings').loss).toMatchObject({
        ...own.loss,
      });
  },
);

const figures = (accuracy: number | null, auc: number) => ({ accuracy, auc, eer: 0.1, tar: 0.5 });
const made = (accuracies: (number | null)[], name: string): ExperimentResult['methods'][0] => ({
  name,
  tries: [],
  chosen: { loss: { name: 'cosface', margin: 0.35 } },
  runs: accuracies.map((accuracy, i) => ({
    seed: i + 1,
    validation: figures(0.9, 0.9),
    test: figures(accuracy, 0.95),
    seconds: 1,
  })),
});
const result: ExperimentResult = {
  ...{ experiment: 'losses', title: 'Losses', against: 'softmax', steps: 10, images: 1000, identities: 50 },
  sets: { validation: 'these', test: 'those' },
  methods: [made([0.8, 0.82, 0.84], 'softmax'), made([0.85, 0.86, 0.87], 'LMCL')],
};

test('mean and deviation over the seeds, gains seed by seed', () => {
  const [softmax, lmcl] = summaryRows(result);
  expect(softmax?.accuracy).toEqual({ mean: expect.closeTo(0.82), deviation: expect.closeTo(0.02) });
  expect(softmax?.gain).toBeNull();
  expect(lmcl?.gain?.accuracy).toEqual({ mean: expect.closeTo(0.04), deviation: expect.closeTo(0.01) });
  const text = describeExperiment(result, ['a.png'], 'cosface experiment losses x');
  expect(text).toContain(
    '| LMCL | 86.00 ± 1.00 % | 95.00 ± 0.00 % | 10.00 ± 0.00 % | 50.00 ± 0.00 % | +4.00 ± 1.00 | +0.00 ± 0.00 |',
  );
});

test('pictures of accuracies, or of AUC where there are too few people for folds', () => {
  const [picture] = experimentPictures(result);
  expect(picture?.svg.match(/<circle/g)).toHaveLength(6);
  expect(picture?.svg).toContain('accuracy on people never seen, %');
  const few = { ...result, methods: [made([null], 'softmax')] };
  expect(experimentPictures(few)[0]?.svg).toContain('AUC on people never seen, %');
  const [curve] = experimentPictures({ ...result, experiment: 'margin' });
  expect(curve).toMatchObject({ name: 'experiment-margin', svg: expect.stringContaining('>m<') });
});
