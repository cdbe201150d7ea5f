import type { MarginSoftmaxAsyncCall, Precision, ResidentCall } from './addon.js';
import { chooseDevice, type Device } from './backend-choice.js';
import { CosFaceError, spell } from './errors.js';
import type { ResidentStepOptions } from './resident-weights.js';

/** Arguments of marginSoftmax and marginSoftmaxAsync. N samples, C classes, D features; matrices are row-major. */
export interface MarginSoftmaxOptions {
  /** x, [N, D]. Rows need not be normalised. */
  embeddings: Float32Array;
  /** w, [C, D], one row for each class. Rows need not be normalised. */
  weights: Float32Array;
  /** y, [N], each in [0, C) or `ignoreLabel`. */
  labels: Int32Array;
  /** D, a whole number in [1, 2^24]. */
  dim: number;
  /** s > 0. Default 64. */
  scale?: number | undefined;
  /** Angle multiplier, (0, 16]. Default 1. */
  m1?: number | undefined;
  /** Angle offset in radians, [0, pi]. Default 0. */
  m2?: number | undefined;
  /** Cosine offset, [0, 2]. Default 0; the CosFace paper uses 0.35. */
  m3?: number | undefined;
  /** Whether to produce dEmbeddings and dWeights, at three times the cost. Default false. */
  gradients?: boolean | undefined;
  /** The label of samples that count for nothing. Default -1. */
  ignoreLabel?: number | undefined;
  /** [N], factors of the losses. Default all 1. */
  sampleWeights?: Float32Array | null | undefined;
  /** [N], each in [-2, 2], in place of m3. */
  sampleMargins?: Float32Array | null | undefined;
  /**
   * What the matrix products multiply: 'fp32' (default); 'bf16-gradients', bf16 in the two products of the gradients, the
   * loss as with 'fp32'; 'bf16', the cosines too. Sums stay float32 or better. Error bounds: docs/math.md.
   */
  precision?: Precision | undefined;
  /**
   * How much of each sample's probability its gradients may leave out, in [0, 1): work is saved where samples are
   * confident. Default 0, nothing. The loss and the target classes stay exact; docs/math.md bounds the rest.
   */
  gradientTolerance?: number | undefined;
  /** Whole number in [0, 1024]; 0 is COSFACE_THREADS, else one per processor. The result does not depend on it. */
  threads?: number | undefined;
  /** Budget of memory beyond inputs and outputs. Default 64 MiB; on a GPU, of its memory: an eighth, at most 2 GiB. */
  workspaceBytes?: number | undefined;
  /**
   * Where to run: 'cpu', 'cuda' (the first GPU), 'cuda:1', ... Default 'auto': what COSFACE_DEVICE says, else a GPU where
   * one can be used and has the memory, else the CPU. GPU and CPU keep the same bounds of error but differ in the last
   * bits, so name the device where bits must not depend on the machine.
   */
  device?: Device | undefined;
}

/** What marginSoftmax gives. */
export interface MarginSoftmaxResult {
  /** [N], weighted; 0 where ignored. */
  loss: Float32Array;
  /** [N], cos(x_i, w_y) without margin; 0 where ignored. */
  targetCosine: Float32Array;
  /** [N], the lowest class index of the largest cosine, without margin. */
  prediction: Int32Array;
  /** [N, D], the gradient of the mean loss; with `gradients` only. */
  dEmbeddings?: Float32Array;
  /** [C, D], the gradient of the mean loss; with `gradients` only. */
  dWeights?: Float32Array;
}

const NAMES: Record<keyof MarginSoftmaxOptions, true> = {
  embeddings: true,
  weights: true,
  labels: true,
  dim: true,
  scale: true,
  m1: true,
  m2: true,
  m3: true,
  gradients: true,
  ignoreLabel: true,
  sampleWeights: true,
  sampleMargins: true,
  precision: true,
  gradientTolerance: true,
  threads: true,
  workspaceBytes: true,
  device: true,
};

const STEP_NAMES = [...Object.keys(NAMES).filter((name) => !/^(weights|dim|device)$/.test(name)), 'classIds'];

/**
 * Fills in the defaults and checks what the binary cannot see: names, the device's spelling, the flag. Kinds, lengths
 * and ranges are the binary's to check.
 */
export function readOptions(options: MarginSoftmaxOptions): MarginSoftmaxAsyncCall & { gradients: boolean } {
  requireKnownNames(options, 'marginSoftmax({ embeddings, weights, labels, dim })', Object.keys(NAMES));
  const { weights, dim } = options;
  return { ...readSamples(options), weights, dim, ...chooseDevice(options.device) };
}

/** As readOptions, for weights that are on a GPU. */
export function readStep(options: ResidentStepOptions): ResidentCall & { gradients: boolean } {
  requireKnownNames(options, 'step({ embeddings, labels })', STEP_NAMES);
  return { ...readSamples(options), classIds: options.classIds };
}

function readSamples(options: Omit<ResidentStepOptions, 'classIds'>): Omit<ResidentCall, 'classIds'> & {
  gradients: boolean;
} {
  const { gradients = false } = options;
  if (typeof gradients !== 'boolean')
    throw new CosFaceError('COSFACE_OPTION_RANGE', `gradients is ${spell(gradients)}, expected true or false.`, {
      argument: 'gradients',
    });
  return {
    embeddings: options.embeddings,
    labels: options.labels,
    sampleWeights: options.sampleWeights,
    sampleMargins: options.sampleMargins,
    scale: options.scale === undefined ? 64 : options.scale,
    m1: options.m1 === undefined ? 1 : options.m1,
    m2: options.m2 === undefined ? 0 : options.m2,
    m3: options.m3 === undefined ? 0 : options.m3,
    ignoreLabel: options.ignoreLabel === undefined ? -1 : options.ignoreLabel,
    reduction: 'mean',
    gradient: 'exact',
    sampleMarginTerm: 'm3',
    precision: options.precision,
    gradientTolerance: options.gradientTolerance,
    threads: options.threads,
    workspaceBytes: options.workspaceBytes,
    gradients,
  };
}

function requireKnownNames(options: object, call: string, names: readonly string[]): void {
  if (typeof options !== 'object' || options === null)
    throw new CosFaceError('COSFACE_DTYPE', `options is ${spell(options)}, expected an object: ${call}.`, {
      argument: 'options',
    });
  for (const name of Object.keys(options))
    if (!names.includes(name))
      throw new CosFaceError(
        'COSFACE_OPTION_RANGE',
        `${name} is no option of ${call.slice(0, call.indexOf('('))}, expected one of ${names.join(', ')}.`,
        { argument: name },
      );
}
