import { existsSync, readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { cpuMemory } from '../../src/kernels/cpu.js';
import { nativeKernels } from '../../src/kernels/native-kernels.js';
import { wasmMemory } from '../../src/kernels/wasm.js';
import { openWasmKernels } from '../../src/wasm/module.js';
import { testKernels } from '../kernels/kernel-tests.js';
import { testVectors } from '../loss/family/vector-tests.js';

const file = new URL('../../build-wasm/cosface.wasm', import.meta.url);

/** The module that browsers get, in Node; test/browser has it in Chromium. `npm run build` makes it. */
describe.skipIf(!existsSync(file) && !process.env['CI'])('kernels in WebAssembly', () => {
  let kernels: ReturnType<typeof openWasmKernels>;

  beforeAll(() => {
    kernels = openWasmKernels(readFileSync(file));
    for (const [name, memory] of [['cpu', cpuMemory] as const, ['wasm', wasmMemory] as const])
      for (const kernel of nativeKernels(name, memory, kernels)) tf.registerKernel(kernel);
  });

  describe.each(['cpu', 'wasm'])('on %s', (backend) => {
    beforeAll(async () => void (await tf.setBackend(backend)));
    testKernels(backend);
  });

  testVectors(['cpu', 'wasm']);

  test('is of the version of the C ABI', () => {
    const header = readFileSync(new URL('../../native/include/cosface/margin_softmax.h', import.meta.url), 'utf8');
    expect(header).toContain(`#define COSFACE_ABI_VERSION ${kernels.abiVersion}\n`);
  });

  const call = () => ({
    embeddings: new Float32Array([1, 2, 3, 4]),
    weights: new Float32Array([1, 0, 0, 1, 1, 1]),
    labels: new Int32Array([0, 2]),
    dim: 2,
    ...{ scale: 64, m1: 1, m2: 0, m3: 0.35, ignoreLabel: -1, reduction: 'mean' as const },
  });

  test('an error has the words of the addon', () => {
    const labels = new Int32Array([0, 3]);
    expect(() => kernels.marginSoftmax({ ...call(), labels })).toThrow(
      expect.objectContaining({
        code: 'COSFACE_LABEL_RANGE',
        argument: 'labels',
        index: 1,
        message:
          'COSFACE_LABEL_RANGE: labels[1] is 3, expected a whole number in [0, 3) because weights has shape [3, 2], or ' +
          '-1 to ignore the sample. Labels count from zero: subtract 1 if the data set counts from one.',
      }),
    );
    expect(() => kernels.marginSoftmax({ ...call(), scale: -2.5 })).toThrow(/^COSFACE_OPTION_RANGE: scale is -2.5, /);
    const embeddings = new Float32Array([1, Number.NaN, 3, 4]);
    expect(() => kernels.marginSoftmax({ ...call(), embeddings })).toThrow(
      /^COSFACE_NOT_FINITE: embeddings\[0, 1\] is NaN/,
    );
  });

  test('more than its memory can hold is an error, and the next call works', () => {
    const huge = { length: 2 ** 31, byteLength: 2 ** 33 } as unknown as Float32Array;
    expect(() => kernels.marginSoftmax({ ...call(), dEmbeddings: huge })).toThrow(
      expect.objectContaining({ code: 'COSFACE_OUT_OF_MEMORY' }),
    );
    expect(kernels.marginSoftmax(call()).counted).toBe(2);
  });
});
