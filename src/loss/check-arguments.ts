import { Tensor, tensor1d } from '@tensorflow/tfjs-core';
import type { MarginSoftmaxTensors } from '../kernels/margin-softmax-gradient.js';
import { CosFaceError, spell } from '../native/errors.js';
import type { Labels, LossOptions, MarginTerm, PerSample, SampleMargins } from './types.js';

/** The tensors of a call, and those among them that were made from arrays and must be disposed after it. */
export interface CheckedTensors {
  tensors: MarginSoftmaxTensors;
  made: Tensor[];
}

/**
 * Checks rank, dtype and shape of everything that is a tensor or an array. Values inside tensors are checked where
 * they are read: in the native kernel or in the composed ops.
 */
export function checkTensors(
  embeddings: Tensor,
  weights: Tensor,
  labels: Labels,
  options: Pick<LossOptions, 'sampleWeights' | 'sampleMargins'>,
  sampleMarginTerm: MarginTerm = 'm3',
): CheckedTensors {
  checkMatrix('embeddings', embeddings, '[N, D]');
  checkMatrix('weights', weights, '[C, D]');
  const [batch, dim] = embeddings.shape as [number, number];
  const [classes, weightDim] = weights.shape as [number, number];
  if (dim !== weightDim) {
    throw new CosFaceError(
      'COSFACE_SHAPE',
      `weights has shape [${weights.shape}], expected [C, ${dim}] because embeddings has shape [${embeddings.shape}]. ` +
        'Both need the same number of columns; weights holds one row per class.',
      { argument: 'weights' },
    );
  }
  for (const [name, size] of [
    ['weights', classes],
    ['embeddings', dim],
  ] as const) {
    if (size > 0) continue;
    const { shape } = name === 'weights' ? weights : embeddings;
    throw new CosFaceError(
      'COSFACE_SHAPE',
      `${name} has shape [${shape}], expected at least one class and one column.`,
      {
        argument: name,
      },
    );
  }
  const made: Tensor[] = [];
  try {
    const tensors: MarginSoftmaxTensors = { embeddings, weights, labels: labelTensor(labels, batch, made) };
    const { sampleWeights, sampleMargins } = options;
    if (sampleWeights != null) tensors.sampleWeights = perSampleTensor('sampleWeights', sampleWeights, batch, made);
    for (const [term, margins] of namedMargins(sampleMargins, sampleMarginTerm)) {
      tensors[MARGIN_INPUTS[term]] = perSampleTensor('sampleMargins', margins, batch, made);
    }
    return { tensors, made };
  } catch (error) {
    for (const tensor of made) tensor.dispose();
    throw error;
  }
}

const MARGIN_INPUTS = { m1: 'sampleM1', m2: 'sampleM2', m3: 'sampleM3' } as const;

/** The margins for each sample, each with the name of the common one that it replaces. */
function namedMargins(given: LossOptions['sampleMargins'], term: MarginTerm): Array<[MarginTerm, PerSample]> {
  if (given == null) return [];
  if (!isByName(given)) return [[term, given]];
  const names = Object.keys(given);
  const unknown = names.find((name) => !(name in MARGIN_INPUTS));
  if (unknown !== undefined) {
    throw new CosFaceError('COSFACE_OPTION_RANGE', `sampleMargins has ${unknown}, expected m1, m2 or m3.`, {
      argument: 'sampleMargins',
    });
  }
  return (names as MarginTerm[]).flatMap((name) => (given[name] == null ? [] : [[name, given[name]]]));
}

function isByName(margins: PerSample | SampleMargins): margins is SampleMargins {
  return (
    typeof margins === 'object' &&
    !(margins instanceof Tensor) &&
    !Array.isArray(margins) &&
    !ArrayBuffer.isView(margins)
  );
}

/** Embeddings and labels alone, for the losses between the samples of a batch. */
export function checkBatch(embeddings: Tensor, labels: Labels): { labels: Tensor; made: Tensor[] } {
  checkMatrix('embeddings', embeddings, '[N, D]');
  const [batch, dim] = embeddings.shape as [number, number];
  if (dim === 0) {
    throw new CosFaceError(
      'COSFACE_SHAPE',
      `embeddings has shape [${embeddings.shape}], expected at least one column.`,
      {
        argument: 'embeddings',
      },
    );
  }
  const made: Tensor[] = [];
  return { labels: labelTensor(labels, batch, made), made };
}

/** A float32 tensor of one dimension and a given length, such as a bias. */
export function checkFloats(name: string, tensor: Tensor, shape: number[], why: string): Tensor {
  if (!(tensor instanceof Tensor)) {
    throw new CosFaceError(
      'COSFACE_DTYPE',
      `${name} is ${spell(tensor)}, expected a float32 tensor of shape [${shape}].`,
      {
        argument: name,
      },
    );
  }
  checkAlive(name, tensor);
  checkDtype(name, tensor, 'float32', "Convert it with tf.cast(tensor, 'float32').");
  if (tensor.shape.length === shape.length && tensor.shape.every((size, i) => size === shape[i])) return tensor;
  throw new CosFaceError('COSFACE_SHAPE', `${name} has shape [${tensor.shape}], expected [${shape}]${why}.`, {
    argument: name,
  });
}

function checkMatrix(name: string, tensor: Tensor, shape: string): void {
  if (!(tensor instanceof Tensor)) {
    throw new CosFaceError(
      'COSFACE_DTYPE',
      `${name} is ${spell(tensor)}, expected a float32 tensor of shape ${shape}. Make one with tf.tensor2d(); for ` +
        "typed arrays without TensorFlow.js use 'cosface/native'.",
      { argument: name },
    );
  }
  checkAlive(name, tensor);
  if (tensor.rank !== 2) {
    throw new CosFaceError(
      'COSFACE_RANK',
      `${name} has rank ${tensor.rank} (shape [${tensor.shape}]), expected rank 2, ${shape}. ` +
        'Flatten the features of each sample with tf.reshape().',
      { argument: name },
    );
  }
  checkDtype(name, tensor, 'float32', "Convert it with tf.cast(tensor, 'float32').");
}

function labelTensor(labels: Labels, batch: number, made: Tensor[]): Tensor {
  if (labels instanceof Tensor) {
    checkAlive('labels', labels);
    checkVector('labels', labels, batch, 'Pass class indices, not one-hot rows; tf.reshape(labels, [-1]) flattens.');
    checkDtype('labels', labels, 'int32', "Convert them with tf.cast(labels, 'int32'), or make them int32.");
    return labels;
  }
  checkArray('labels', labels, batch, 'class indices');
  if (!isTyped(labels, 'Int32Array')) checkWhole(labels as readonly number[]);
  return remember(made, tensor1d(labels as number[], 'int32'));
}

/** tf.tensor1d(..., 'int32') would cut off fractions without a word. */
function checkWhole(labels: readonly number[]): void {
  const index = labels.findIndex((label) => label !== (label | 0));
  if (index < 0) return;
  throw new CosFaceError(
    'COSFACE_LABEL_RANGE',
    `labels[${index}] is ${String(labels[index])}, expected a whole number. Labels are zero-based class indices.`,
    { argument: 'labels', index },
  );
}

function perSampleTensor(name: string, values: PerSample, batch: number, made: Tensor[]): Tensor {
  if (values instanceof Tensor) {
    checkAlive(name, values);
    checkVector(name, values, batch, 'tf.reshape(tensor, [-1]) flattens it.');
    checkDtype(name, values, 'float32', "Convert it with tf.cast(tensor, 'float32').");
    return values;
  }
  checkArray(name, values, batch, 'numbers');
  return remember(made, tensor1d(values as number[], 'float32'));
}

function remember(made: Tensor[], tensor: Tensor): Tensor {
  made.push(tensor);
  return tensor;
}

function checkAlive(name: string, tensor: Tensor): void {
  if (!tensor.isDisposed) return;
  throw new CosFaceError(
    'COSFACE_DISPOSED',
    `${name} has been disposed, expected a living tensor. Call the loss inside the tf.tidy() that made it, or tf.keep() it.`,
    { argument: name },
  );
}

function checkVector(name: string, tensor: Tensor, batch: number, remedy: string): void {
  if (tensor.rank !== 1) {
    throw new CosFaceError(
      'COSFACE_RANK',
      `${name} has rank ${tensor.rank} (shape [${tensor.shape}]), expected rank 1, [${batch}]. ${remedy}`,
      { argument: name },
    );
  }
  checkLength(name, tensor.size, batch);
}

function checkArray(name: string, values: ArrayLike<number>, batch: number, content: string): void {
  if (!Array.isArray(values) && !isTyped(values, 'Int32Array') && !isTyped(values, 'Float32Array')) {
    throw new CosFaceError(
      'COSFACE_DTYPE',
      `${name} is ${spell(values)}, expected a tensor or an array of ${content}.`,
      {
        argument: name,
      },
    );
  }
  checkLength(name, values.length, batch);
  if (Array.isArray(values)) checkElements(name, values);
}

/** A typed array would take '1', true and null for numbers. */
function checkElements(name: string, values: readonly unknown[]): void {
  const index = values.findIndex((value) => typeof value !== 'number');
  if (index < 0) return;
  throw new CosFaceError('COSFACE_DTYPE', `${name}[${index}] is ${spell(values[index])}, expected a number.`, {
    argument: name,
    index,
  });
}

function checkLength(name: string, length: number, batch: number): void {
  if (length === batch) return;
  throw new CosFaceError(
    'COSFACE_SHAPE',
    `${name} has ${length} elements, expected ${batch}, one for each row of embeddings.`,
    { argument: name },
  );
}

function checkDtype(name: string, tensor: Tensor, dtype: string, remedy: string): void {
  if (tensor.dtype === dtype) return;
  throw new CosFaceError('COSFACE_DTYPE', `${name} has dtype ${tensor.dtype}, expected ${dtype}. ${remedy}`, {
    argument: name,
  });
}

function isTyped(value: unknown, tag: string): boolean {
  return ArrayBuffer.isView(value) && (value as Float32Array)[Symbol.toStringTag] === tag;
}
