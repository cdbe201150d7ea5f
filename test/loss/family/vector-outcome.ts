import * as tf from '@tensorflow/tfjs-core';

type Input = 'x' | 'w' | 'bias' | 'subCenters';

/** test/vectors/family.json. */
export interface Vectors {
  problems: Record<string, Record<Input, number[][]> & { y: number[]; bias: number[] }>;
  cases: Array<{
    loss: string;
    source: string;
    problem: string;
    options: Record<string, unknown>;
    expected: { loss: number } & Partial<Record<`d${Input}`, number[][] | number[]>>;
  }>;
}

const BETWEEN_SAMPLES = new Set(['contrastiveLoss', 'tripletLoss']);

type Loss = (...args: unknown[]) => tf.Tensor;

/** Of a case by the losses of `cosface`: the loss, and its gradients by the tensors that the case names. */
export function outcomeOfVector(
  cosface: object,
  problems: Vectors['problems'],
  { loss: name, problem, options, expected }: Vectors['cases'][number],
): Record<string, tf.Tensor> {
  return tf.tidy(() => {
    const given = problems[problem] as Vectors['problems'][string];
    const by = (Object.keys(expected) as string[]).filter((key) => key !== 'loss').map((key) => key.slice(1) as Input);
    const loss = (cosface as Record<string, Loss>)[name] as Loss;
    const call = (...tensors: tf.Tensor[]) => {
      const at = Object.fromEntries(by.map((input, i) => [input, tensors[i]]));
      if (BETWEEN_SAMPLES.has(name)) return loss(at['x'], given.y, options);
      const bias = at['bias'] && { bias: at['bias'] };
      return loss(at['x'], at['w'] ?? at['subCenters'], given.y, { ...structuredClone(options), ...bias });
    };
    const tensors = by.map((input) => tf.tensor(given[input] as number[][]));
    const { value, grads } = tf.valueAndGrads(call)(tensors);
    const gradients = by.map((input, i) => [`d${input}`, grads[i]]);
    return { loss: value, ...Object.fromEntries(gradients) };
  }) as Record<string, tf.Tensor>;
}
