import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { cpuMemory } from '../../src/kernels/cpu.js';
import type { MarginSoftmaxAttrs, MarginSoftmaxInputs } from '../../src/kernels/kernel-names.js';
import { nativeKernels } from '../../src/kernels/native-kernels.js';
import type { TensorMemory } from '../../src/kernels/tensor-memory.js';
import { wasmMemory } from '../../src/kernels/wasm.js';
import type { MarginSoftmaxCall } from '../../src/native/addon.js';
import { chooseDevice } from '../../src/native/backend-choice.js';
import { attrsOf, randomProblem, relativeError, tensorsOf } from '../problem.js';
import { reference } from '../reference.js';
import { addon, describeNative } from './native-addon.js';

const problem = randomProblem({ batch: 5, classes: 7, dim: 3, m3: 0.35, sampleWeights: [1, 2, 3, 4, 5] });
const attrs: MarginSoftmaxAttrs = { ...attrsOf(problem), withGradients: true };

/** Runs the kernel `MarginSoftmax` and reports the very call that reached the addon. */
function runAndWatch(name: string, memoryOf: (backend: object) => TensorMemory, inputs: MarginSoftmaxInputs) {
  let call: MarginSoftmaxCall | undefined;
  const watched = {
    ...addon,
    marginSoftmax: (given: MarginSoftmaxCall) => {
      call = given;
      return addon.marginSoftmax(given);
    },
  };
  const kernel = nativeKernels(name, memoryOf, watched, chooseDevice('cpu'))[0];
  const outputs = kernel?.kernelFunc({
    inputs,
    attrs: attrs as unknown as tf.NamedAttrMap,
    backend: tf.backend(),
  }) as tf.TensorInfo[];
  return { call: call as MarginSoftmaxCall, outputs };
}

describeNative('on cpu', () => {
  beforeAll(async () => void (await tf.setBackend('cpu')));

  test('the addon gets the backend’s own arrays, and its outputs are the backend’s own arrays', () => {
    const tensors = tensorsOf(problem);
    const data = (tf.backend() as unknown as { data: { get(id: object): { values: unknown } } }).data;
    const { call, outputs } = runAndWatch('cpu', cpuMemory, tensors);
    const valuesOf = (info: tf.TensorInfo | undefined) => data.get((info as tf.TensorInfo).dataId).values;
    expect(call.embeddings).toBe(valuesOf(tensors.embeddings));
    expect(call.weights).toBe(valuesOf(tensors.weights));
    expect(call.labels).toBe(valuesOf(tensors.labels));
    expect(call.sampleWeights).toBe(valuesOf(tensors['sampleWeights']));
    expect(call.targetCosine).toBe(valuesOf(outputs[1]));
    expect(call.prediction).toBe(valuesOf(outputs[2]));
    expect(call.dEmbeddings).toBe(valuesOf(outputs[3]));
    expect(call.dWeights).toBe(valuesOf(outputs[4]));
    expect(relativeError(call.dWeights ?? [], reference(problem).dWeights.flat())).toBeLessThan(1e-5);
    for (const { dataId } of outputs) tf.backend().disposeData(dataId);
    tf.dispose(tensors);
  });

  test('a view into a larger buffer is read where it lies', () => {
    const flat = problem.embeddings.flat();
    const buffer = new Float32Array(flat.length + 1);
    buffer.set(flat, 1);
    const view = buffer.subarray(1);
    const tensors = { ...tensorsOf(problem), embeddings: tf.tensor2d(view, [5, 3]) };
    const { call, outputs } = runAndWatch('cpu', cpuMemory, tensors);
    expect(call.embeddings).toBe(view);
    expect(relativeError(call.dEmbeddings ?? [], reference(problem).dEmbeddings.flat())).toBeLessThan(1e-5);
    for (const { dataId } of outputs) tf.backend().disposeData(dataId);
    tf.dispose(tensors);
  });

  test('an array of the wrong length is refused, not read past its end', () => {
    const { labels, ...tensors } = tensorsOf(problem);
    const short = { dataId: tf.tensor1d([1, 2], 'int32').dataId, shape: [5], dtype: 'int32' as const };
    expect(() => runAndWatch('cpu', cpuMemory, { ...tensors, labels: short })).toThrow(
      expect.objectContaining({ code: 'COSFACE_DTYPE', message: expect.stringContaining('Int32Array of length 2') }),
    );
    tf.dispose([tensors, labels]);
  });
});

describeNative('on wasm', () => {
  beforeAll(async () => void (await tf.setBackend('wasm')));

  const heap = () => (tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8;

  test('the addon reads and writes the heap itself', () => {
    const tensors = tensorsOf(problem);
    const { call, outputs } = runAndWatch('wasm', wasmMemory, tensors);
    for (const array of [call.embeddings, call.labels, call.targetCosine, call.prediction, call.dWeights]) {
      expect(array?.buffer).toBe(heap().buffer);
    }
    const read = tf.backend().readSync((outputs[4] as tf.TensorInfo).dataId) as Float32Array;
    expect(relativeError(read, reference(problem).dWeights.flat())).toBeLessThan(1e-5);
    for (const { dataId } of outputs) tf.backend().disposeData(dataId);
    tf.dispose(tensors);
  });

  test('a heap that grows while the outputs are allocated does no harm', () => {
    const before = heap().buffer;
    const held: tf.Tensor[] = [];
    const tensors = tensorsOf(problem);
    const watch = (backend: object): TensorMemory => {
      const memory = wasmMemory(backend);
      return {
        ...memory,
        allocate: (shape, dtype) => {
          // Sixteen MiB at a time until the buffer is replaced under the kernel's feet.
          const start = heap().buffer;
          while (heap().buffer === start) held.push(tf.zeros([4, 1024, 1024]));
          return memory.allocate(shape, dtype);
        },
      };
    };
    const { call, outputs } = runAndWatch('wasm', watch, tensors);
    expect(heap().buffer).not.toBe(before);
    expect(call.embeddings.length).toBe(15);
    expect(relativeError(call.dWeights ?? [], reference(problem).dWeights.flat())).toBeLessThan(1e-5);
    for (const { dataId } of outputs) tf.backend().disposeData(dataId);
    tf.dispose([tensors, held]);
  });

  test('a heap that cannot grow is an error, not a write to address 0', () => {
    const memory = wasmMemory(tf.backend());
    const before = tf.backend().numDataIds();
    for (const columns of [1023, 1024, 1025]) {
      expect(() => memory.allocate([2 ** 20, columns], 'float32')).toThrow(
        expect.objectContaining({ code: 'COSFACE_OUT_OF_MEMORY' }),
      );
    }
    expect(tf.backend().numDataIds()).toBe(before);
  });
});
