import {
  add,
  cast,
  clone,
  customGrad,
  engine,
  exp,
  type GradSaveFunc,
  mul,
  neg,
  notEqual,
  reshape,
  scalar,
  squeeze,
  type Tensor,
  tanh,
  tidy,
} from '@tensorflow/tfjs-core';
import type { MarginSoftmaxAttrs } from '../kernels/kernel-names.js';
import type { MarginSoftmaxExecutor, MarginSoftmaxTensors } from '../kernels/margin-softmax-gradient.js';
import { once } from '../kernels/not-differentiable.js';
import { ownAngle } from './apply-margin.js';
import { targetLogit } from './target-logit.js';
import { unitRows } from './unit-rows.js';

type PerSampleName = 'sampleWeights' | 'sampleMargins';

/** The tensors of a call, its per-sample ones such that going back through them gives their gradients. */
export function withPerSampleGradients(
  executor: MarginSoftmaxExecutor,
  tensors: MarginSoftmaxTensors,
  attrs: MarginSoftmaxAttrs,
): MarginSoftmaxTensors {
  if (!engine().isTapeOn()) return tensors;
  const wrapped = { ...tensors };
  for (const name of ['sampleWeights', 'sampleMargins'] as const) {
    if (tensors[name]) wrapped[name] = perSampleInput(executor, tensors, attrs, name);
  }
  return wrapped;
}

/**
 * A copy of the tensor whose gradient function turns dL / d (weighted loss of a sample) into its gradient. The tape
 * calls it only if that gradient is wanted; it takes one more forward pass.
 */
function perSampleInput(
  executor: MarginSoftmaxExecutor,
  tensors: MarginSoftmaxTensors,
  attrs: MarginSoftmaxAttrs,
  name: PerSampleName,
): Tensor {
  const names = Object.keys(tensors);
  return customGrad((...args: Array<Tensor | GradSaveFunc>) => {
    (args[1] as GradSaveFunc)(names.map((key) => tensors[key] as Tensor));
    const gradFunc = (lossGradients: Tensor, saved: Tensor[]): Tensor[] => {
      const recalled = Object.fromEntries(names.map((key, i) => [key, saved[i]])) as MarginSoftmaxTensors;
      return once(`a loss by ${name}`, [...saved.filter(({ dtype }) => dtype === 'float32'), lossGradients], () => [
        tidy(() => mul(lossGradients, perLoss(executor, recalled, attrs, name))),
      ]);
    };
    return { value: clone(args[0] as Tensor), gradFunc };
  })(tensors[name] as Tensor);
}

/** d (weighted loss of a sample) / d (its weight or margin), [N]. */
function perLoss(
  executor: MarginSoftmaxExecutor,
  { sampleWeights, ...tensors }: MarginSoftmaxTensors,
  attrs: MarginSoftmaxAttrs,
  name: PerSampleName,
): Tensor {
  const [losses] = executor.marginSoftmax(tensors as MarginSoftmaxTensors, { ...attrs, reduction: 'none' }) as [Tensor];
  if (name === 'sampleWeights') return losses;
  // 1 - p_y = 1 - e^-loss, without cancelling.
  const miss = mul(tanh(mul(0.5, losses)), add(1, exp(neg(losses))));
  const factor = mul(-attrs.scale, mul(miss, valueByMargin(tensors as MarginSoftmaxTensors, attrs)));
  const weighted = sampleWeights ? mul(factor, sampleWeights) : factor;
  return mul(weighted, cast(notEqual(tensors['labels'] as Tensor, scalar(attrs.ignoreLabel, 'int32')), 'float32'));
}

/** d (psi(m1 t + m2) - m3) / d (the margin of a sample), [N]. */
function valueByMargin(
  { embeddings, weights, labels, sampleMargins }: MarginSoftmaxTensors,
  attrs: MarginSoftmaxAttrs,
) {
  const { m1, m2, m3, sampleMarginTerm, gradient } = attrs;
  const own = reshape(sampleMargins as Tensor, [-1, 1]);
  const angle = ownAngle(unitRows(embeddings).rows, unitRows(weights).rows, labels);
  const rule = { gradient, fallback: 'continuous', annealing: 0, curve: { kind: 'cosine' } } as const;
  const { byMargin } = targetLogit(angle.t, () => angle, { m1, m2, m3, [sampleMarginTerm]: own }, rule);
  return squeeze(byMargin[sampleMarginTerm], [1]);
}
