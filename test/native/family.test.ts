import { readFileSync } from 'node:fs';
import { describe, expect, type TestContext, test } from 'vitest';
import {
  CosFaceError,
  type MarginSoftmaxOptions,
  type MarginSoftmaxResult,
  marginSoftmax,
  marginSoftmaxAsync,
} from '../../src/native/index.js';
import { differences, type FamilyProblem, REFERENCES } from '../loss/family/reference.js';
import { randomProblem, relativeError } from '../problem.js';

type Form = Partial<MarginSoftmaxOptions>;
type Options = Record<string, unknown>;

/** A loss as the functions of `cosface` name it, as options of the kernel, and which of the kernel's margins its own is. */
interface Case {
  loss: string;
  options: Options;
  form: Form;
  margin?: 'm1' | 'm2' | 'm3';
}

const raw = { scale: 1, normalizeEmbeddings: false, normalizeWeights: false };
const binary = { negativeMargin: 0, biasSign: 1 } as const;

const CASES: Case[] = [
  { loss: 'cosFaceLoss', options: { scale: 16, margin: 0.35 }, form: { scale: 16, m3: 0.35 }, margin: 'm3' },
  { loss: 'sphereFaceLoss', options: { scale: 16, margin: 4 }, form: { scale: 16, m1: 4 }, margin: 'm1' },
  {
    loss: 'sphereFaceLoss',
    options: { scale: 16, margin: 4, lambda: 3 },
    form: { scale: 16, m1: 4, annealing: 3 },
    margin: 'm1',
  },
  ...(['continuous', 'none', 'easy', 'hard'] as const).map(
    (fallback): Case => ({
      loss: 'arcFaceLoss',
      options: { scale: 16, margin: 0.5, fallback },
      form: { scale: 16, m2: 0.5, fallback },
      margin: 'm2',
    }),
  ),
  { loss: 'softmaxLoss', options: {}, form: raw },
  { loss: 'softmaxLoss', options: { labelSmoothing: 0.1 }, form: { ...raw, labelSmoothing: 0.1 } },
  { loss: 'lSoftmaxLoss', options: { margin: 3 }, form: { ...raw, m1: 3 }, margin: 'm1' },
  {
    loss: 'lSoftmaxLoss',
    options: { margin: 2, lambda: 1.5 },
    form: { ...raw, m1: 2, annealing: 1.5 },
    margin: 'm1',
  },
  { loss: 'aSoftmaxLoss', options: { margin: 4 }, form: { ...raw, m1: 4, normalizeWeights: true }, margin: 'm1' },
  {
    loss: 'cosFaceLoss',
    options: { margin: 0.35, normalizeEmbeddings: false },
    form: { scale: 1, m3: 0.35, normalizeEmbeddings: false },
    margin: 'm3',
  },
  {
    loss: 'cosFaceLoss',
    options: { scale: 16, margin: 0.35, interclassFilter: 0.3 },
    form: { scale: 16, m3: 0.35, interclassFilter: 0.3 },
    margin: 'm3',
  },
  {
    loss: 'mvSoftmaxLoss',
    options: { scale: 16, margin: 0.5, kind: 'arc', t: 0.2, fallback: 'none' },
    form: { scale: 16, m2: 0.5, fallback: 'none', negatives: { kind: 'mv-arc', t: 0.2 } },
  },
  {
    loss: 'mvSoftmaxLoss',
    options: { scale: 16, margin: 0.35, kind: 'am', t: 0.2 },
    form: { scale: 16, m3: 0.35, negatives: { kind: 'mv-am', t: 0.2 } },
  },
  {
    loss: 'subCenterArcFaceLoss',
    options: { scale: 16, margin: 0.5, fallback: 'hard', subCenters: 3 },
    form: { scale: 16, m2: 0.5, fallback: 'hard', subCenters: 3 },
    margin: 'm2',
  },
  ...(['exact', 'detached'] as const).map(
    (gradient): Case => ({
      loss: 'circleLoss',
      options: { scale: 16, margin: 0.25, gradient },
      form: { scale: 16, m3: 0.25, curve: { kind: 'circle' }, gradient },
    }),
  ),
  {
    loss: 'sphereFace2Loss',
    options: { scale: 20, margin: 0.4, exponent: 3, balance: 0.7, bias: -2.5 },
    form: {
      scale: 20,
      m3: 0.4,
      curve: { kind: 'power', exponent: 3 },
      binary: { positiveWeight: 0.7 / 20, negativeWeight: 0.3 / 20, negativeMargin: 0.4, biasSign: 1 },
      bias: Float32Array.of(-2.5),
    },
  },
  {
    loss: 'uniFaceLoss',
    options: { scale: 16, margin: 0.4, negativeWeight: 0.8, bias: 3.5 },
    form: {
      scale: 16,
      m3: 0.4,
      binary: { ...binary, positiveWeight: 1, negativeWeight: 0.8, biasSign: -1 },
      bias: Float32Array.of(3.5),
    },
    margin: 'm3',
  },
];

const flat = (rows: number[][]) => Float32Array.from(rows.flat());
const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);

function callOf({ x, w, y, bias }: FamilyProblem, form: Form): MarginSoftmaxOptions {
  const inputs = { embeddings: flat(x), weights: flat(w), labels: Int32Array.from(y), dim: x[0]?.length ?? 0 };
  // A copy: a test overwrites what it has handed over.
  const own = bias ? Float32Array.from(bias) : form.bias?.slice();
  return { ...inputs, ...form, ...(own && { bias: own }), gradients: true, sampleGradients: true };
}

/** The result; skips a form that the kernels refuse, with their words. */
function fused(context: TestContext, problem: FamilyProblem, form: Form): Required<MarginSoftmaxResult> {
  try {
    return marginSoftmax(callOf(problem, form)) as Required<MarginSoftmaxResult>;
  } catch (error) {
    if (error instanceof CosFaceError && error.code === 'COSFACE_UNSUPPORTED') context.skip(error.message);
    throw error;
  }
}

function problemOf({ loss, options }: Case, shape: { batch: number; classes: number; dim: number }): FamilyProblem {
  const subCenters = (options['subCenters'] as number) ?? 1;
  const { embeddings, labels } = randomProblem({ ...shape, seed: 5 });
  const { weights } = randomProblem({ ...shape, classes: shape.classes * subCenters, seed: 6 });
  const bias = loss === 'softmaxLoss' && { bias: weights.map((row) => row[0] as number) };
  return { x: embeddings, w: weights, y: labels, ...bias };
}

function eachLoss({ loss, options }: Case, change: Options = {}): (p: FamilyProblem, at: FamilyProblem) => number[] {
  return (REFERENCES[loss] as (o: never) => (p: FamilyProblem, at: FamilyProblem) => number[])({
    ...options,
    ...change,
  } as never);
}

describe('the family on typed arrays', () => {
  describe.each([
    { batch: 1, classes: 2, dim: 1 },
    { batch: 7, classes: 6, dim: 5 },
    { batch: 19, classes: 37, dim: 17 },
  ])('%o', (shape) => {
    test.for(CASES.map((one) => [one.loss, one.options, one] as const))('%s %j', ([, , one], context) => {
      const problem = problemOf(one, shape);
      const result = fused(context, problem, one.form);
      const mean = (p: FamilyProblem) => sum(eachLoss(one)(p, problem)) / shape.batch;
      expect(relativeError(result.loss, eachLoss(one)(problem, problem)), 'loss').toBeLessThan(2e-6);
      expect(relativeError(result.dEmbeddings, differences(mean, problem, 'x')), 'by x').toBeLessThan(1e-5);
      expect(relativeError(result.dWeights, differences(mean, problem, 'w')), 'by w').toBeLessThan(1e-5);
      const byBias = (b: number) => sum(eachLoss(one, { bias: b })(problem, problem)) / shape.batch;
      const bias = one.options['bias'] as number;
      if (problem.bias)
        expect(relativeError(result.dBias, differences(mean, problem, 'bias')), 'by bias').toBeLessThan(1e-5);
      if (bias) {
        const slope = (byBias(bias + 1e-6) - byBias(bias - 1e-6)) / 2e-6;
        expect(relativeError(result.dBias, [slope]), 'by bias').toBeLessThan(1e-5);
      }
      const share = eachLoss(one)(problem, problem).map((loss) => loss / shape.batch);
      expect(relativeError(result.dSampleWeights, share), 'by sample weights').toBeLessThan(2e-6);
      if (!one.margin) return;
      const [low, high] = [-1e-6, 1e-6].map((h) =>
        eachLoss(one, { margin: (one.options['margin'] as number) + h })(problem, problem),
      );
      const byMargin = low!.map((value, i) => ((high?.[i] as number) - value) / 2e-6 / shape.batch);
      const name = `dSample${one.margin.toUpperCase()}` as 'dSampleM3';
      expect(relativeError(result[name], byMargin), name).toBeLessThan(1e-5);
    });
  });

  test('two margins for each sample', (context) => {
    const options = { scale: 16, margin: 0.4, concentration: 0.333 };
    const problem = problemOf({ loss: 'adaFaceLoss', options, form: {} }, { batch: 9, classes: 6, dim: 5 });
    problem.x.forEach((row, i) => {
      problem.x[i] = row.map((v) => Math.fround(v * (1 + i)));
    });
    const lengths = problem.x.map((row) => Math.hypot(...row));
    const mean = sum(lengths) / 9;
    const deviation = Math.sqrt(sum(lengths.map((a) => (a - mean) ** 2)) / 8) + 1e-3;
    const quality = lengths.map((a) => Math.min(1, Math.max(-1, ((a - mean) / deviation) * 0.333)));
    const sampleM2 = Float32Array.from(quality, (q) => -0.4 * q);
    const sampleM3 = Float32Array.from(quality, (q) => 0.4 * q + 0.4);
    const { loss } = fused(context, problem, { scale: 16, sampleM2, sampleM3 });
    const expected = eachLoss({ loss: 'adaFaceLoss', options, form: {} })(problem, problem);
    expect(relativeError(loss, expected)).toBeLessThan(2e-6);
  });

  test.for(CASES.map((one) => [one.loss, one.options, one] as const))(
    '%s %j off the event loop: the same bits',
    async ([, , one], context) => {
      const problem = problemOf(one, { batch: 19, classes: 37, dim: 17 });
      const expected = fused(context, problem, one.form);
      const { sampleWeights, ...call } = callOf(problem, structuredClone(one.form));
      const promise = marginSoftmaxAsync(call);
      for (const values of Object.values(call)) if (ArrayBuffer.isView(values)) (values as Float32Array).fill(0);
      expect(await promise).toEqual(expected);
    },
  );

  test('the options by default are none', () => {
    const problem = problemOf(CASES[0] as Case, { batch: 7, classes: 6, dim: 5 });
    const { gradients, sampleGradients, ...call } = callOf(problem, { m3: 0.35, gradients: true });
    const off: Form = {
      ...{ fallback: 'continuous', annealing: 0, normalizeEmbeddings: true, normalizeWeights: true },
      ...{ labelSmoothing: 0, interclassFilter: null, negatives: null, subCenters: 1, binary: null, bias: null },
      ...{ curve: { kind: 'cosine' }, sampleM1: null, sampleM2: null, sampleM3: null, gradient: 'exact' },
    };
    expect(marginSoftmax({ ...call, ...off, gradients: true })).toEqual(marginSoftmax({ ...call, gradients: true }));
  });

  test('sampleMargins are sampleM3', () => {
    const problem = problemOf(CASES[0] as Case, { batch: 7, classes: 6, dim: 5 });
    const margins = Float32Array.from({ length: 7 }, (_, i) => i / 10);
    const call = { ...callOf(problem, {}), sampleGradients: false };
    expect(marginSoftmax({ ...call, sampleM3: margins })).toEqual(marginSoftmax({ ...call, sampleMargins: margins }));
  });
});

const { problems, cases } = JSON.parse(readFileSync(new URL('../vectors/family.json', import.meta.url), 'utf8')) as {
  problems: Record<string, FamilyProblem & { subCenters: number[][] }>;
  cases: Array<{
    loss: string;
    source: string;
    problem: string;
    options: Options;
    expected: Record<string, number | number[] | number[][]>;
  }>;
};

describe('stored vectors', () => {
  const known = cases.flatMap((vector) => {
    const options = { gradient: vector.loss === 'circleLoss' ? 'detached' : undefined, ...vector.options };
    const names = (one: Options) => Object.keys(one).filter((key) => key !== 'subCenters' && one[key] !== undefined);
    const same = CASES.find(
      (one) =>
        one.loss === vector.loss &&
        names({ ...one.options, ...options }).every((key) => one.options[key] === options[key as never]),
    );
    return same ? [[vector.loss, vector.options, vector.source, vector.problem, vector, same] as const] : [];
  });

  test.for(known)('%s %j of %s, %s rows', ([, , , name, { expected }, { form }], context) => {
    const { x, w, y, bias, subCenters } = problems[name] as (typeof problems)[string];
    const rows = 'dsubCenters' in expected ? subCenters : w;
    const result = fused(context, { x, y, w: rows, ...('dbias' in expected && { bias: bias as number[] }) }, form);
    const mean = sum([...result.loss]) / y.length;
    expect(relativeError([mean], [expected['loss'] as number]), 'loss').toBeLessThan(2e-6);
    for (const [key, values] of [
      ['dx', result.dEmbeddings],
      ['dw', result.dWeights],
      ['dsubCenters', result.dWeights],
      ['dbias', result.dBias],
    ] as const) {
      if (key in expected) expect(relativeError(values, [expected[key]].flat(2) as number[]), key).toBeLessThan(1e-5);
    }
  });

  test('most of them are known here', () => {
    expect(known.length).toBeGreaterThan(20);
  });
});
