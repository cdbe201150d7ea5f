import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type CheckpointTensor, readCheckpoint } from '../../src/train/checkpoint.js';
import { checkSettings } from '../../src/train/train-settings.js';
import { Trainer } from '../../src/train/trainer.js';
import { temporaryFolder } from '../data/made-images.js';
import { useMadePeople } from './made-people.js';
import { SMALL } from './train-program.js';

const people = useMadePeople();

const settings = (more: object = {}) => ({
  ...{ ...SMALL, data: { path: people(), threads: 0 }, batch: { size: 8 }, optimizer: { learningRate: 0.05 } },
  ...{ steps: 10, checkpoint: { every: 4 }, ...more },
});

interface TrainOptions {
  out?: string;
  resume?: boolean;
  /** Stops after so many steps. */
  stopAfter?: number;
}

async function train(
  more: object,
  { out = join(temporaryFolder(), 'run'), resume = false, stopAfter }: TrainOptions = {},
) {
  const interruption = new AbortController();
  const losses: number[] = [];
  const trainer = await Trainer.open({
    ...{ settings: settings(more), out, resume },
    onEvent: (event) => {
      if (event.kind !== 'step') return;
      losses.push(event.loss);
      if (event.step === stopAfter) interruption.abort();
    },
  });
  try {
    const outcome = await trainer.run({ signal: interruption.signal });
    const { tensors } = await readCheckpoint(join(out, 'last.ckpt'), () => {});
    return {
      outcome,
      losses,
      out,
      tensors: new Map(tensors.map((one) => [one.name, one])),
      parameters: trainer.parameters,
    };
  } finally {
    await trainer.close();
  }
}

function distance(one: CheckpointTensor, other: CheckpointTensor): number {
  return Math.max(...one.values.map((value, i) => Math.abs(value - other.values[i]!)));
}

test.each(['cosface', 'arcface', 'normface'])(
  '%s: the same training as with centres in variables, but for rounding',
  async (name) => {
    const loss = { name, scale: 16 };
    const plain = await train({ loss });
    const resident = await train({ loss, head: { resident: true } });
    expect(resident.parameters).toBe(plain.parameters);
    resident.losses.forEach((value, step) => {
      expect(value, `step ${step + 1}`).toBeCloseTo(plain.losses[step]!, 3);
    });
    expect([...resident.tensors.keys()].sort()).toEqual([...plain.tensors.keys()].sort());
    for (const [key, tensor] of resident.tensors)
      expect(distance(tensor, plain.tensors.get(key)!), key).toBeLessThan(2e-3);
  },
);

test('class sampling leaves the centres of classes that take no part alone, and the seed decides which', async () => {
  const head = { resident: true, sampleRate: 0.1 };
  const run = (seed: number) => train({ head, seed, verification: { share: 0.3, every: 10, seed: 1 }, steps: 1 });
  const [one, again] = [await run(3), await run(3)];
  expect(one.tensors.get('head/centers')!.values).toEqual(again.tensors.get('head/centers')!.values);
  const velocity = one.tensors.get('velocity/head/centers')!;
  const [classes, dim] = velocity.shape as [number, number];
  const moved = Array.from({ length: classes }, (_, c) =>
    velocity.values.subarray(c * dim, (c + 1) * dim).some((v) => v !== 0),
  );
  expect(moved.filter(Boolean).length).toBeLessThan(classes);
  expect(moved.filter(Boolean).length).toBeGreaterThan(0);
});

test('stopped and resumed it ends with the same bits', async () => {
  const more = { head: { resident: true, sampleRate: 0.5 } };
  const whole = await train(more);
  const out = join(temporaryFolder(), 'run');
  expect((await train(more, { out, stopAfter: 6 })).outcome.end).toBe('stopped');
  const resumed = await train(more, { out, resume: true });
  expect(resumed.outcome.end).toBe('finished');
  expect([...resumed.tensors.values()]).toEqual([...whole.tensors.values()]);
  await expect(train({ head: { resident: false } }, { out, resume: true })).rejects.toThrow(
    /head\.resident, head\.sampleRate differ/,
  );
});

test.each([
  [{ head: { sampleRate: 0.5 } }, 'head.sampleRate is 0.5, expected 1 without head.resident'],
  [{ head: { resident: true, sampleRate: 0 } }, 'head.sampleRate: '],
  [
    { head: { resident: true }, loss: { name: 'adaface' } },
    'loss.name is adaface, expected one of cosface, arcface, normface, margin with head.resident',
  ],
  [
    { head: { resident: true }, batch: { size: 8, accumulate: 2 } },
    'batch.accumulate is 2, expected 1 with head.resident',
  ],
  [{ head: { resident: true }, optimizer: { clip: 5 } }, 'optimizer.clip is 5, expected null with head.resident'],
])('%j is refused', (more, words) => {
  expect(() => checkSettings({ ...settings(more) }, 'settings')).toThrow(words);
});

test('an option that the loss does not have is refused before anything begins', async () => {
  const out = join(temporaryFolder(), 'none');
  await expect(train({ head: { resident: true }, loss: { name: 'cosface', margn: 0.2 } }, { out })).rejects.toThrow(
    /margn/,
  );
});
