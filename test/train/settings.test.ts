import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { assignSetting, readSettingsFile } from '../../src/train/read-settings.js';
import { requireResumable } from '../../src/train/run-folder.js';
import { checkSettings } from '../../src/train/train-settings.js';
import { temporaryFolder } from '../data/made-images.js';

const data = { path: 'faces' };
const refusalOf = (run: () => unknown): { code?: string; message: string } => {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it was accepted');
};

test('what is left out has the defaults of the docs', () => {
  const settings = checkSettings({ data }, 'settings');
  expect(settings).toMatchObject({
    data: { path: 'faces', minimumImages: 1, badFiles: 'fail', cacheMegabytes: 512 },
    input: { height: 112, width: 96, alignment: '112x96', normalisation: 'cosface' },
    augmentation: { flip: 0.5 },
    model: { backbone: 'sphereface20', embeddingBatchNorm: true },
    loss: { name: 'cosface' },
    batch: { size: 64, accumulate: 1, imagesPerIdentity: 1 },
    optimizer: { learningRate: 0.1, momentum: 0.9, weightDecay: 5e-4, clip: null },
    schedule: { name: 'cosine', warmUp: 0 },
    epochs: 20,
    verification: { share: 0.1, testShare: 0, every: 500, flip: 'concatenate', metric: 'auc', falseAcceptRate: 1e-3 },
    seed: 1,
  });
  const named = checkSettings({ data, loss: { margin: 0.2 }, schedule: { warmUp: 5 } }, 'settings');
  expect([named.loss, named.schedule]).toEqual([
    { name: 'cosface', margin: 0.2 },
    { name: 'cosine', warmUp: 5 },
  ]);
  // Once filled in they are complete: written and read they are the same.
  expect(checkSettings(JSON.parse(JSON.stringify(settings)), 'settings')).toEqual(settings);
});

test('what is wrong is named by its path', () => {
  const cases: [object, RegExp][] = [
    [{}, /data: /],
    [{ data, optimiser: {} }, /Unrecognized key: "optimiser"/],
    [{ data, optimizer: { learningRat: 1 } }, /optimizer: Unrecognized key: "learningRat"/],
    [{ data, optimizer: { learningRate: 0 } }, /optimizer\.learningRate: /],
    [{ data, optimizer: { learningRate: '0.1' } }, /optimizer\.learningRate: /],
    [{ data, optimizer: { momentum: 1 } }, /optimizer\.momentum: /],
    [{ data, loss: { name: 'cosfaces' } }, /loss\.name: /],
    [{ data, schedule: { name: 'step' } }, /schedule\.milestones: /],
    [{ data, schedule: { name: 'cosine', power: 2 } }, /schedule: Unrecognized key: "power"/],
    [{ data, batch: { size: 10, accumulate: 3 } }, /batch\.size is 10, expected a multiple/],
    [{ data, steps: 5, epochs: 5 }, /both steps and epochs/],
    [{ data, steps: 2.5 }, /steps: /],
    [{ data, input: { height: 8 } }, /input\.height: /],
    [{ data, model: { widths: [1, 2, 3] } }, /model\.widths/],
    [{ data, augmentation: { flipp: 1 } }, /augmentation\.flipp is no change of images/],
    [{ data, augmentation: { flip: 2 } }, /augmentation\.flip is 2/],
    [{ data, verification: { share: 0.5, testShare: 0.5 } }, /too few are left to train/],
  ];
  for (const [settings, message] of cases) {
    const { code, message: text } = refusalOf(() => checkSettings(settings, 'recipe.yaml'));
    expect(text, JSON.stringify(settings)).toMatch(message);
    expect(code).toMatch(/^COSFACE_(SETTINGS|OPTION_RANGE)$/);
  }
});

test('YAML and JSON files, and what is neither', () => {
  const folder = temporaryFolder();
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const yaml = file('a.yaml', '# a recipe\ndata: { path: faces }\noptimizer:\n  learningRate: 1e-2\n');
  const json = file('a.json', '{ "data": { "path": "faces" }, "optimizer": { "learningRate": 0.01 } }');
  expect(readSettingsFile(yaml)).toEqual(readSettingsFile(json));
  expect(readSettingsFile(file('empty.yaml', '# nothing\n'))).toEqual({});
  expect(() => readSettingsFile(file('b.yaml', 'a: [1,\nb: 2'))).toThrow(/b\.yaml: it is no YAML: .*line 2/s);
  expect(() => readSettingsFile(file('b.json', '{ "a": 1, }'))).toThrow(/COSFACE_SETTINGS: .*b\.json: it is no JSON/);
  expect(() => readSettingsFile(join(folder, 'c.yaml'))).toThrow(/COSFACE_FILE: .*c\.yaml: there is no such file/);
  const bomb = `a: &a [x]\n${Array.from({ length: 9 }, (_, i) => `b${i}: &b${i} [${`*${i ? `b${i - 1}` : 'a'},`.repeat(9)}]`).join('\n')}`;
  expect(() => readSettingsFile(file('bomb.yaml', bomb))).toThrow(/it is no YAML: .*alias/i);
});

test('single settings', () => {
  const shared = { learningRate: 1 };
  const settings: Record<string, unknown> = { optimizer: shared };
  for (const one of [
    'optimizer.learningRate=0.05',
    'model.widths=[1, 2, 3, 4]',
    'optimizer.clip=null',
    'loss.name=arcface',
  ])
    assignSetting(settings, one);
  expect(settings).toEqual({
    optimizer: { learningRate: 0.05, clip: null },
    model: { widths: [1, 2, 3, 4] },
    loss: { name: 'arcface' },
  });
  expect(shared).toEqual({ learningRate: 1 });
  for (const wrong of ['steps', '=5', 'a..b=1', '__proto__.x=1', 'optimizer.learningRate.deeper=1'])
    expect(() => assignSetting(settings, wrong), wrong).toThrow(/COSFACE_SETTINGS: --set/);
  expect(({} as Record<string, unknown>)['x']).toBeUndefined();
});

test('a run goes on with other lengths and rates, but with no other data, net or loss', () => {
  const before = checkSettings({ data, steps: 10 }, 'a');
  const accept = (change: object) => requireResumable(before, checkSettings({ data, ...change }, 'b'), 'runs/a');
  accept({ steps: 20 });
  accept({ epochs: 3, optimizer: { learningRate: 0.01 }, verification: { every: 5 } });
  accept({ steps: 10, data: { path: 'moved', threads: 2 } });
  expect(() => accept({ seed: 2 })).toThrow(/COSFACE_SETTINGS: runs\/a: seed differ/);
  expect(() => accept({ loss: { name: 'arcface' }, batch: { size: 32 } })).toThrow(/loss\.name, batch\.size differ/);
});
