import type { FamilyPart } from './addon.js';
import { CosFaceError } from './errors.js';
import { loadAddon } from './load.js';
import { type MarginSoftmaxOptions, type MarginSoftmaxResult, readOptions } from './margin-softmax-options.js';

/**
 * Margin softmax loss of a batch, and both gradients of its mean, in one pass that never stores the N x C logits.
 *
 * loss_i = sampleWeights_i * -log softmax(z_i)[y_i],  z_ic = s cos_ic,  z_iy = s (cos(m1 t + m2) - m3),  t = acos(cos_iy)
 *
 * That is the family's core; further options make every other loss over classes of it (docs/losses.md).
 *
 * The mean is sum(loss) / (samples with label != ignoreLabel and weight != 0). Runs on the calling thread and
 * `threads - 1` more; marginSoftmaxAsync leaves the event loop free. Inputs are read where they lie; views of a
 * (not shared) WebAssembly.Memory are as good as any.
 *
 * @throws {CosFaceError} COSFACE_DTYPE, COSFACE_SHAPE, COSFACE_OPTION_RANGE, COSFACE_LABEL_RANGE,
 * COSFACE_MARGIN_RANGE or COSFACE_NOT_FINITE for an argument that is wrong, with its name and the index;
 * COSFACE_DETACHED or COSFACE_SHARED_BUFFER for memory that cannot be used; COSFACE_OUT_OF_MEMORY;
 * COSFACE_UNSUPPORTED for options that no fused kernel combines; COSFACE_DEVICE_UNAVAILABLE; COSFACE_ENVIRONMENT;
 * COSFACE_NO_BINARY.
 *
 * Source: Wang et al., CosFace, CVPR 2018, https://arxiv.org/abs/1801.09414, eq. (4).
 *
 * @example
 * const { loss, dWeights } = marginSoftmax({
 *   embeddings: Float32Array.of(1, 0, 0, 1),
 *   weights: Float32Array.of(1, 0.1, 0.2, 1, -1, -1),
 *   labels: Int32Array.of(0, 1),
 *   dim: 2,
 *   m3: 0.35,
 *   gradients: true,
 * });
 */
export function marginSoftmax(options: MarginSoftmaxOptions): MarginSoftmaxResult {
  const { gradients, sampleGradients, ...inputs } = readOptions(options);
  const addon = loadAddon();
  const outputs = allocateOutputs(inputs, { gradients, sampleGradients });
  const { loss, targetCosine, prediction, dEmbeddings, dWeights, ...ofFamily } = outputs;
  const family = { ...inputs.family, ...ofFamily };
  addon.marginSoftmax({ ...inputs, loss, targetCosine, prediction, dEmbeddings, dWeights, family });
  return outputs;
}

type Inputs = Pick<MarginSoftmaxOptions, 'embeddings' | 'weights' | 'labels' | 'classIds' | 'dim'> & {
  family?: FamilyPart | undefined;
};

function allocateOutputs(
  inputs: Inputs,
  wanted: { gradients: boolean; sampleGradients: boolean },
): MarginSoftmaxResult {
  const batch = lengthOf(inputs.labels);
  const perSample = () => new Float32Array(batch);
  try {
    const outputs: MarginSoftmaxResult = {
      loss: perSample(),
      targetCosine: perSample(),
      prediction: new Int32Array(batch),
    };
    if (wanted.gradients) {
      outputs.dEmbeddings = new Float32Array(lengthOf(inputs.embeddings));
      outputs.dWeights = new Float32Array(gradientLength(inputs));
      if (inputs.family?.bias) outputs.dBias = new Float32Array(lengthOf(inputs.family.bias));
    }
    if (wanted.sampleGradients) {
      for (const name of ['dSampleWeights', 'dSampleM1', 'dSampleM2', 'dSampleM3'] as const)
        outputs[name] = perSample();
    }
    return outputs;
  } catch (cause) {
    throw new CosFaceError('COSFACE_OUT_OF_MEMORY', 'no memory for the results. Pass fewer samples or classes.', {
      cause,
    });
  }
}

function gradientLength({ weights, classIds, dim }: Inputs): number {
  return classIds ? lengthOf(classIds) * dim : lengthOf(weights);
}

/** 0 for what is no typed array; the binary then says so. */
function lengthOf(array: Float32Array | Int32Array): number {
  return ArrayBuffer.isView(array) ? array.length : 0;
}
