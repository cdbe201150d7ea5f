import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { cosFaceHead } from '../../src/layers/cosface-head.js';
import { arcFaceLoss } from '../../src/loss/arcface-loss.js';
import { cosFaceLoss } from '../../src/loss/cosface-loss.js';
import { marginSoftmax } from '../../src/loss/margin-softmax.js';
import { marginSoftmaxLoss } from '../../src/loss/margin-softmax-loss.js';
import { normFaceLoss } from '../../src/loss/normface-loss.js';
import { sphereFaceLoss } from '../../src/loss/sphereface-loss.js';
import type { Precision } from '../../src/loss/types.js';
import { describeNative } from '../kernels/native-addon.js';
import { mostlyConfident } from '../permissions.js';
import { relativeError, tensorsOf } from '../problem.js';

const problem = mostlyConfident();

interface Permissions {
  precision?: Precision;
  gradientTolerance?: number;
}

type Loss = (x: tf.Tensor, w: tf.Tensor, y: tf.Tensor, permissions: Permissions) => tf.Tensor;

function headLoss(x: tf.Tensor, w: tf.Tensor, y: tf.Tensor, permissions: Permissions): tf.Tensor {
  const head = cosFaceHead({ numClasses: w.shape[0] as number, ...permissions });
  head.build([null, w.shape[1] as number]);
  head.setWeights([w]);
  return tf.mean(head.loss(y, x));
}

const LOSSES: [string, Loss][] = [
  ['cosFaceLoss', cosFaceLoss],
  ['arcFaceLoss', (x, w, y, permissions) => arcFaceLoss(x, w, y, { ...permissions, margin: 0.1 })],
  ['sphereFaceLoss', (x, w, y, permissions) => sphereFaceLoss(x, w, y, { ...permissions, margin: 1.1 })],
  ['normFaceLoss', normFaceLoss],
  ['marginSoftmaxLoss', marginSoftmaxLoss],
  ['marginSoftmax', (x, w, y, permissions) => marginSoftmax(x, w, y, permissions).loss],
  ['cosFaceHead', headLoss],
];

describeNative.each(LOSSES)('%s', (_, loss) => {
  beforeAll(async () => void (await tf.setBackend('cpu')));

  function outcome(permissions: Permissions): { value: Float32Array; dEmbeddings: Float32Array } {
    return tf.tidy(() => {
      const { embeddings, weights, labels } = tensorsOf(problem);
      const { value, grad } = tf.valueAndGrad((x: tf.Tensor) => loss(x, weights, labels, permissions))(embeddings);
      return { value: value.dataSync() as Float32Array, dEmbeddings: grad.dataSync() as Float32Array };
    }) as never;
  }

  test('takes precision and gradientTolerance', () => {
    const exact = outcome({});
    expect(outcome({ precision: 'fp32', gradientTolerance: 0 })).toEqual(exact);
    const filtered = outcome({ gradientTolerance: 0.05 });
    expect(filtered.value).toEqual(exact.value);
    expect(filtered.dEmbeddings).not.toEqual(exact.dEmbeddings);
    const rounded = outcome({ precision: 'bf16-gradients' });
    expect(relativeError(rounded.value, [...exact.value])).toBeLessThan(2e-6);
    expect(rounded.dEmbeddings).not.toEqual(exact.dEmbeddings);
    expect(outcome({ precision: 'bf16' }).value).not.toEqual(exact.value);
  });
});
