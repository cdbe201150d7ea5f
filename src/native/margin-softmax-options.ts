import type {
  FamilyAttributes,
  FamilyOptions,
  FamilyPart,
  MarginSoftmaxAsyncCall,
  Precision,
  ResidentCall,
} from './addon.js';
import { chooseDevice, type Device } from './backend-choice.js';
import { CosFaceError, spell } from './errors.js';
import type { HeadEvaluateOptions } from './resident-head.js';
import type { ResidentStepOptions } from './resident-weights.js';

/**
 * Arguments of marginSoftmax and marginSoftmaxAsync. N samples, C classes, D features; matrices are row-major. docs/losses.md
 * says which of them make which loss.
 */
export interface MarginSoftmaxOptions extends FamilyOptions {
  /** x, [N, D]. Rows need not be normalised. */
  embeddings: Float32Array;
  /** w, [C, D], one row for each class, or [C K, D] with `subCenters`. Rows need not be normalised. */
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
  /** 'exact' (default), or 'detached': drops the derivative of the margin by the cosine, and holds Circle's paces constant. */
  gradient?: 'exact' | 'detached' | undefined;
  /** Whether to produce dEmbeddings, dWeights and dBias, at three times the cost. Default false. */
  gradients?: boolean | undefined;
  /** Whether to produce dSampleWeights, dSampleM1, dSampleM2 and dSampleM3, which costs nothing. Default false. */
  sampleGradients?: boolean | undefined;
  /** The label of samples that count for nothing. Default -1. */
  ignoreLabel?: number | undefined;
  /** [N], factors of the losses. Default all 1. */
  sampleWeights?: Float32Array | null | undefined;
  /** [N], each in [-2, 2], in place of m3; another name for `sampleM3`. */
  sampleMargins?: Float32Array | null | undefined;
  /** [N], each in (0, 16], in place of m1. */
  sampleM1?: Float32Array | null | undefined;
  /** [N], each in [-pi, pi], in place of m2. */
  sampleM2?: Float32Array | null | undefined;
  /** [N], each in [-2, 2], in place of m3. */
  sampleM3?: Float32Array | null | undefined;
  /** Added to the logits: [C], or [1] with `binary`; finite. Default 0. */
  bias?: Float32Array | null | undefined;
  /**
   * [S], rising whole numbers in [0, C): class sampling (PartialFC). The softmax goes over these rows of the weights alone,
   * no other row is read, and dWeights has a row for each of them. Labels and predictions stay class indices, and the class
   * of every sample that counts must be among them: sampleClasses makes such lists. On the CPU only. Default: all classes.
   */
  classIds?: Int32Array | null | undefined;
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
  /** As `weights`, with `classIds` the rows of those; the gradient of the mean loss; with `gradients` only. */
  dWeights?: Float32Array;
  /** As `bias`, the gradient of the mean loss; with `gradients` and a bias only. */
  dBias?: Float32Array;
  /** [N], the gradient of the mean loss, whose number of samples is held constant; with `sampleGradients` only. */
  dSampleWeights?: Float32Array;
  /** [N], by each sample's margin, its own or the common one; with `sampleGradients` only. */
  dSampleM1?: Float32Array;
  dSampleM2?: Float32Array;
  dSampleM3?: Float32Array;
}

const FAMILY_NAMES = [
  ...['fallback', 'annealing', 'normalizeEmbeddings', 'normalizeWeights', 'labelSmoothing', 'interclassFilter'],
  ...['negatives', 'subCenters', 'curve', 'binary'],
] as const;
/** The names within an option that is an object. */
const PART_NAMES = {
  negatives: ['kind', 't'],
  curve: ['kind', 'exponent'],
  binary: ['positiveWeight', 'negativeWeight', 'negativeMargin', 'biasSign'],
} as const;

const NAMES: Record<Exclude<keyof MarginSoftmaxOptions, keyof FamilyAttributes>, true> = {
  embeddings: true,
  weights: true,
  labels: true,
  dim: true,
  scale: true,
  m1: true,
  m2: true,
  m3: true,
  gradient: true,
  gradients: true,
  sampleGradients: true,
  ignoreLabel: true,
  sampleWeights: true,
  sampleMargins: true,
  sampleM1: true,
  sampleM2: true,
  sampleM3: true,
  bias: true,
  classIds: true,
  precision: true,
  gradientTolerance: true,
  threads: true,
  workspaceBytes: true,
  device: true,
};

const ALL_NAMES = [...Object.keys(NAMES), ...FAMILY_NAMES];
const STEP_NAMES = ALL_NAMES.filter((name) => !/^(weights|dim|device|sampleGradients)$/.test(name));

type Flags = { gradients: boolean; sampleGradients: boolean };

/**
 * Fills in the defaults and checks what the binary cannot see: names, the device's spelling, the flags. Kinds, lengths
 * and ranges are the binary's to check.
 */
export function readOptions(options: MarginSoftmaxOptions): MarginSoftmaxAsyncCall & Flags {
  requireKnownNames(options, 'marginSoftmax({ embeddings, weights, labels, dim })', ALL_NAMES);
  const { weights, dim } = options;
  return { ...readSamples(options), weights, dim, ...chooseDevice(options.device) };
}

/** As readOptions, for weights that are on a GPU. */
export function readStep(options: ResidentStepOptions): ResidentCall & Flags {
  requireKnownNames(options, 'step({ embeddings, labels })', STEP_NAMES);
  return readSamples(options);
}

const HEAD_NAMES = {
  evaluate: STEP_NAMES.filter((name) => name !== 'gradients'),
  step: [...STEP_NAMES.filter((name) => name !== 'gradients'), 'learningRate', 'weightDecay', 'lossGradient'],
};

/** As readOptions, for a call of a ResidentHead. */
export function readHeadCall(options: HeadEvaluateOptions, name: 'step' | 'evaluate'): ResidentCall {
  const required = name === 'step' ? '{ embeddings, labels, learningRate }' : '{ embeddings, labels }';
  requireKnownNames(options, `${name}(${required})`, HEAD_NAMES[name]);
  const { gradients, sampleGradients, ...call } = readSamples(options);
  return call;
}

function readSamples(options: ResidentStepOptions): ResidentCall & Flags {
  return {
    family: readFamily(options),
    embeddings: options.embeddings,
    labels: options.labels,
    sampleWeights: options.sampleWeights,
    sampleMargins: options.sampleMargins,
    classIds: options.classIds,
    scale: options.scale === undefined ? 64 : options.scale,
    m1: options.m1 === undefined ? 1 : options.m1,
    m2: options.m2 === undefined ? 0 : options.m2,
    m3: options.m3 === undefined ? 0 : options.m3,
    ignoreLabel: options.ignoreLabel === undefined ? -1 : options.ignoreLabel,
    reduction: 'mean',
    gradient: options.gradient,
    precision: options.precision,
    gradientTolerance: options.gradientTolerance,
    threads: options.threads,
    workspaceBytes: options.workspaceBytes,
    gradients: readFlag('gradients', options.gradients),
    sampleGradients: readFlag('sampleGradients', options.sampleGradients),
  };
}

function readFamily(options: Omit<ResidentStepOptions, 'classIds'>): FamilyPart {
  for (const [name, parts] of Object.entries(PART_NAMES)) {
    const value = options[name as keyof typeof PART_NAMES];
    if (typeof value === 'object' && value !== null) requireKnownNames(value, `${name}(`, parts);
  }
  const { sampleM1, sampleM2, sampleM3, bias } = options;
  const family: FamilyOptions = Object.fromEntries(FAMILY_NAMES.map((name) => [name, options[name]]));
  return { ...family, sampleM1, sampleM2, sampleM3, bias };
}

function readFlag(name: keyof Flags, flag: boolean | undefined = false): boolean {
  if (typeof flag === 'boolean') return flag;
  throw new CosFaceError('COSFACE_OPTION_RANGE', `${name} is ${spell(flag)}, expected true or false.`, {
    argument: name,
  });
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
