import { cast, reshape, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { CosFaceError } from '../native/errors.js';

/** float32 holds every whole number up to here. */
const FLOAT32_WHOLE = 2 ** 24;

/**
 * Class indices [N] int32 from what `model.fit` hands to a loss: [N] or [N, 1], int32 or float32. The caller disposes
 * the result.
 */
export function headLabels(target: Tensor, numClasses: number): Tensor {
  if (target.rank !== 1 && !(target.rank === 2 && target.shape[1] === 1)) {
    throw new CosFaceError(
      'COSFACE_RANK',
      `labels has shape [${target.shape}], expected [N] or [N, 1]. Pass class indices, not one-hot rows: ` +
        'tf.argMax(labels, 1) turns them into indices.',
      { argument: 'labels' },
    );
  }
  if (target.dtype !== 'int32' && target.dtype !== 'float32') {
    throw new CosFaceError('COSFACE_DTYPE', `labels has dtype ${target.dtype}, expected int32 or float32.`, {
      argument: 'labels',
    });
  }
  if (target.dtype === 'float32') checkWhole(target, numClasses);
  return tidy(() => cast(reshape(target, [-1]), 'int32'));
}

function checkWhole(target: Tensor, numClasses: number): void {
  if (numClasses > FLOAT32_WHOLE) {
    throw new CosFaceError(
      'COSFACE_DTYPE',
      `labels has dtype float32, expected int32 with ${numClasses} classes: float32 skips whole numbers above ` +
        `${FLOAT32_WHOLE}.`,
      { argument: 'labels' },
    );
  }
  const values = target.dataSync();
  const index = values.findIndex((value) => value !== (value | 0));
  if (index < 0) return;
  throw new CosFaceError(
    'COSFACE_LABEL_RANGE',
    `labels[${index}] is ${values[index]}, expected a whole number that an int32 holds.`,
    {
      argument: 'labels',
      index,
    },
  );
}
