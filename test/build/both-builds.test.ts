import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { MarginSoftmaxCall, NativeAddon } from '../../src/native/addon.js';
import { makeProblem } from '../native/problem.js';

const BINARIES = ['build/Release/cosface.node', 'build-cmake/Release/cosface.node'];

function load(path: string): NativeAddon {
  const absolute = fileURLToPath(new URL(`../../${path}`, import.meta.url));
  if (!existsSync(absolute)) throw new Error(`${path} is missing: npm test builds it before this test runs`);
  return createRequire(import.meta.url)(absolute);
}

function results(addon: NativeAddon, isa: 'scalar' | 'avx2'): Partial<MarginSoftmaxCall> {
  const problem = makeProblem({ batch: 50, classes: 333, dim: 65 });
  const outputs = {
    loss: new Float32Array(50),
    targetCosine: new Float32Array(50),
    prediction: new Int32Array(50),
    dEmbeddings: new Float32Array(problem.embeddings.length),
    dWeights: new Float32Array(problem.weights.length),
  };
  addon.marginSoftmax({
    ...problem,
    ...outputs,
    ...{ scale: 64, m1: 1.1, m2: 0.3, m3: 0.2, ignoreLabel: -1 },
    ...({ reduction: 'mean', gradient: 'exact', isa } as const),
  });
  return outputs;
}

// Outside CI npm test goes on without CMake, and says so.
test.skipIf(!process.env['CI'] && !BINARIES.every((path) => existsSync(path)))(
  'the binaries of node-gyp and of cmake-js give the same bits on every instruction set',
  () => {
    const [first, second] = BINARIES.map(load) as [NativeAddon, NativeAddon];
    expect(second.info()).toEqual(first.info());
    for (const isa of first.info().isas as ('scalar' | 'avx2')[]) {
      const expected = results(first, isa);
      expect(expected.loss!.some((value) => value > 0)).toBe(true);
      expect(results(second, isa)).toEqual(expected);
    }
  },
);
