import type { DeviceChoice } from './backend-choice.js';

/** What native/addon gives to JavaScript. Inside use; the public functions are in index.ts. */
export interface NativeAddon {
  /** COSFACE_ABI_VERSION of native/include/cosface/margin_softmax.h. */
  readonly abiVersion: number;
  /** Runs on the caller's arrays in place: inputs are read and outputs written where they lie, nothing is copied. */
  marginSoftmax(call: MarginSoftmaxCall): MarginSoftmaxSummary;
  /** Copies the inputs before it returns, runs off the event loop, and gives outputs of its own. */
  marginSoftmaxAsync(call: MarginSoftmaxAsyncCall): Promise<MarginSoftmaxAsyncResult>;
  topK(call: TopKCall): TopKResult;
  /** The Async forms copy the inputs before they return, and run off the event loop. */
  topKAsync(call: TopKCall): Promise<TopKResult>;
  countAbove(call: CountAboveCall): NativePairCounts;
  countAboveAsync(call: CountAboveCall): Promise<NativePairCounts>;
  impostorThresholds(call: ImpostorThresholdsCall): ImpostorThresholdsResult;
  impostorThresholdsAsync(call: ImpostorThresholdsCall): Promise<ImpostorThresholdsResult>;
  /** How a call of this shape would run. */
  plan(shape: PlanShape): Plan;
  info(): NativeInfo;
  /** Opens the GPU, if it is one that can be used; a `shape` adds how a call of it would run there. */
  cuda(ordinal: number, shape?: PlanShape): CudaInfo;
  /** Whether such a call would run on a GPU; an error where one is asked for in vain. */
  usesCuda(choice: DeviceChoice): boolean;
  /** Where a CUDA library is, should none lie beside the addon and no variable name one. */
  offerCudaLibrary(file: string): void;
  /** Weights that stay on a GPU; native/addon/resident_weights.h. */
  createResident(options: ResidentOptions & DeviceChoice): ResidentHandle;
  runResident(handle: ResidentHandle, call: ResidentCall, gradients: boolean): MarginSoftmaxSummary;
  updateResident(handle: ResidentHandle, sgd: { learningRate: number; momentum: number; weightDecay: number }): void;
  readResident(handle: ResidentHandle, part: ResidentPart, firstRow: number, values: Float32Array): void;
  writeResident(handle: ResidentHandle, part: ResidentPart, firstRow: number, values: Float32Array): void;
  freeResident(handle: ResidentHandle): void;
  /** Class centres that stay in native memory; native/addon/resident_head.h. */
  createHead(options: HeadCreation): HeadHandle;
  /** Outputs are written in place. `update` null: the centres stay as they are. */
  stepHead(handle: HeadHandle, call: ResidentCall, update: HeadUpdate | null): MarginSoftmaxSummary;
  /** Copies the inputs before it returns, runs off the event loop, and gives outputs of its own. */
  stepHeadAsync(handle: HeadHandle, call: ResidentCall, update: HeadUpdate | null): Promise<HeadAsyncResult>;
  readHead(handle: HeadHandle, part: HeadPart, firstClass: number, values: Float32Array | Int32Array): void;
  writeHead(handle: HeadHandle, part: HeadPart, firstClass: number, values: Float32Array | Int32Array): void;
  freeHead(handle: HeadHandle): void;
  /** Rows of a random matrix with elements in [-bound, bound], whole ones as many as fit. */
  uniformRows(request: { seed: number; firstRow: number; dim: number; bound: number; values: Float32Array }): void;
  /**
   * Registers the op with the libtensorflow that tfjs-node's binding at this path has loaded: for the CPU, and for a GPU
   * where one can be used, unless `withoutGpu` says why none is wanted.
   */
  registerTensorflowOp(bindingPath: string, withoutGpu: string | null): TensorflowRegistration;
  /** Flops per second of multiply-adds in registers: native/include/cosface/machine_rates.h. 0 where `isa` is not there. */
  fmaRate(request: { isa: Isa; precision?: Precision | undefined; threads: number; seconds: number }): number;
  /** Bytes per second that move through memory, two arrays read and one written; as above. */
  memoryRate(request: { arrayBytes: number; threads: number; seconds: number }): number;
  /** Frees what is kept between calls, and closes GPUs that neither a call nor resident weights use. */
  releaseWorkspace(): void;
}

export interface MarginSoftmaxInputs {
  /** x [N, D]; N = labels.length. */
  embeddings: Float32Array;
  /** w [C, D]; C = weights.length / dim. */
  weights: Float32Array;
  /** y [N]. */
  labels: Int32Array;
  /** D. */
  dim: number;
  /** [N]. */
  sampleWeights?: Float32Array | null | undefined;
  /** [N], in place of m3. */
  sampleMargins?: Float32Array | null | undefined;
  /** dL / d loss_i [N]; with reduction 'none' only. */
  lossGradient?: Float32Array | null | undefined;
  /** [S], rising: the classes that take part. dWeights then has S rows. */
  classIds?: Int32Array | null | undefined;
}

/** What a margin on the angle does where it leads past pi: cosface_fallback of the C ABI. */
export type Fallback = 'continuous' | 'none' | 'easy' | 'hard';

/** How hard negatives, those above the target's margined cosine, weigh more. */
export interface NegativesRule {
  kind: 'curricular' | 'mv-arc' | 'mv-am';
  t: number;
}

/**
 * What a cosine becomes before the scale: itself; `circle`, M = [1 + m3 - v]+ (v - 1 + m3) and V = [v + m3]+ (v - m3);
 * `power`, 2 ((v + 1) / 2)^exponent - 1 for both, and M less m3.
 */
export type Curve = { kind: 'cosine' } | { kind: 'circle' } | { kind: 'power'; exponent: number };

/** loss = positiveWeight softplus(-(z_y + b)) + negativeWeight sum softplus(z_c + scale negativeMargin + b). */
export interface BinaryForm {
  positiveWeight: number;
  negativeWeight: number;
  negativeMargin: number;
  /** The bias is added or subtracted. */
  biasSign: 1 | -1;
}

/** The family beyond its margins; native/include/cosface/margin_softmax.h has the formulas. All of it is off by default. */
export interface FamilyAttributes {
  /** Default 'continuous'. */
  fallback: Fallback;
  /** A-Softmax's lambda in [0, 1e6]: M = (lambda cos + psi - m3) / (1 + lambda). Default 0. */
  annealing: number;
  /** Whether embeddings and weights enter as unit rows. Default true. */
  normalizeEmbeddings: boolean;
  normalizeWeights: boolean;
  /** Part of the target that is spread over all classes that count, in [0, 1). Default 0. */
  labelSmoothing: number;
  /** Other classes with a cosine above it, in (-1, 1], do not count; absent: all count. */
  interclassFilter: number | null | undefined;
  /** Absent: all negatives weigh the same. */
  negatives: NegativesRule | null | undefined;
  /** K in [1, 1024]: weights holds K rows for each class, of which the nearest counts. Default 1. */
  subCenters: number;
  curve: Curve;
  /** A sum of binary cross-entropies in place of a softmax; absent: a softmax. */
  binary: BinaryForm | null | undefined;
}

export type FamilyOptions = { [K in keyof FamilyAttributes]?: FamilyAttributes[K] | undefined };

/** What few calls have, in an object of its own: a property that is missing costs a call as much as one that is there. */
export interface FamilyPart extends FamilyOptions {
  /** [N]; each replaces the common margin of its name. */
  sampleM1?: Float32Array | null | undefined;
  sampleM2?: Float32Array | null | undefined;
  sampleM3?: Float32Array | null | undefined;
  /** [C], or [1] with `binary`. */
  bias?: Float32Array | null | undefined;
  /** Outputs, written in place. As the bias; with both gradients only. */
  dBias?: Float32Array | undefined;
  /** [N]; these need no gradients and cost nothing. */
  dSampleWeights?: Float32Array | undefined;
  dSampleM1?: Float32Array | undefined;
  dSampleM2?: Float32Array | undefined;
  dSampleM3?: Float32Array | undefined;
}

export interface NativeOptions extends Partial<DeviceChoice> {
  family?: FamilyPart | undefined;
  scale: number;
  m1: number;
  m2: number;
  m3: number;
  ignoreLabel: number;
  reduction: 'none' | 'mean' | 'sum';
  /** Default 'exact'. */
  gradient?: 'exact' | 'detached' | undefined;
  /** Default 'fp32'. */
  precision?: Precision | undefined;
  /** In [0, 1). Default 0. */
  gradientTolerance?: number | undefined;
  threads?: number | undefined;
  workspaceBytes?: number | undefined;
  isa?: Isa | undefined;
}

/** What the matrix products multiply: float32, bf16 in those of the gradients, bf16 in all. */
export type Precision = 'fp32' | 'bf16-gradients' | 'bf16';

export type Isa = 'auto' | 'scalar' | 'avx2' | 'avx512' | 'avx512_bf16' | 'neon';

/** Outputs, written in place. Absent ones are not produced; both gradients are produced together or not at all. */
export interface MarginSoftmaxOutputs {
  loss?: Float32Array | undefined;
  targetCosine?: Float32Array | undefined;
  prediction?: Int32Array | undefined;
  dEmbeddings?: Float32Array | undefined;
  dWeights?: Float32Array | undefined;
}

export type MarginSoftmaxCall = MarginSoftmaxInputs & NativeOptions & MarginSoftmaxOutputs;

export type MarginSoftmaxAsyncCall = MarginSoftmaxInputs &
  NativeOptions & { gradients?: boolean; sampleGradients?: boolean };

export interface MarginSoftmaxSummary {
  /** The sum of the losses, or their mean with reduction 'mean'. */
  reducedLoss: number;
  /** Samples with label != ignoreLabel and weight != 0. */
  counted: number;
  /** Rows of norm < 1e-12, taken as the zero vector. */
  zeroEmbeddings: number;
  zeroWeights: number;
}

/** Outputs of the family that a call may ask for. */
export type FamilyOutputs = Pick<FamilyPart, 'dBias' | 'dSampleWeights' | 'dSampleM1' | 'dSampleM2' | 'dSampleM3'>;

export interface MarginSoftmaxAsyncResult extends MarginSoftmaxSummary, MarginSoftmaxOutputs, FamilyOutputs {
  loss: Float32Array;
  targetCosine: Float32Array;
  prediction: Int32Array;
}

export interface PlanShape extends Partial<NativeOptions> {
  batch: number;
  classes: number;
  dim: number;
  gradients: boolean;
}

/** cosface_margin_softmax_plan of native/include/cosface/margin_softmax.h, which explains each choice. */
export interface Plan {
  isa: Exclude<Isa, 'auto'>;
  threads: number;
  rowShift: boolean;
  keep: boolean;
  packWeights: boolean;
  keepNorms: boolean;
  rowBlock: number;
  rowGroup: number;
  classSlab: number;
  classBlock: number;
  turnClasses: number;
  blocksPerTask: number;
  featureDepth: number;
  sampleDepth: number;
  workspaceBytes: number;
  /** What the plan does and why, for people; the words may change. */
  description: string;
}

export interface NativeInfo {
  abiVersion: number;
  /** The instruction set that calls use now, COSFACE_ISA applied. */
  isa: string;
  /** Those that this processor and build can run, from least to best. */
  isas: string[];
  /** The workers of a large call now, COSFACE_THREADS applied. */
  threads: number;
  /** What came of registering the op with TensorFlow; null before that. */
  tensorflow: TensorflowOp | null;
}

export interface TensorflowOp {
  /** Types of devices that have a kernel of the op. */
  devices: Array<'CPU' | 'GPU'>;
  /** Why the GPU has none; null where it has one. */
  gpuReason: string | null;
}

export interface TensorflowRegistration extends TensorflowOp {
  /** Whether this call defined the op, or an earlier one had. */
  outcome: 'registered' | 'already';
}

/** What there is for CUDA, and why not more. */
export type CudaInfo = { available: false; reason: string } | AvailableCuda;

/** A GPU that can be used. */
export interface AvailableCuda {
  available: true;
  reason: null;
  /** As in 'cuda:0'. */
  device: string;
  /** How many GPUs the driver sees. */
  devices: number;
  /** As in 'NVIDIA A100-SXM4-80GB'. */
  name: string;
  /** As in 'sm_90'. */
  architecture: string;
  multiprocessors: number;
  memoryBytes: number;
  freeBytes: number;
  /** The newest CUDA that the driver is for, as in '13.0'. */
  driver: string;
  driverFile: string;
  /** The architectures that this build has kernels for. */
  kernels: string;
  /** How a call of the given shape would run, for people; null where no shape was given. */
  plan: string | null;
}

declare const residentHandle: unique symbol;
/** Weights on a GPU, as the addon hands them out. */
export interface ResidentHandle {
  readonly [residentHandle]: true;
}

export type ResidentPart = 'weights' | 'gradient' | 'velocity';

export interface ResidentOptions {
  /** [classes, dim]; absent: zeros. */
  weights?: Float32Array | undefined;
  classes: number;
  dim: number;
}

export type ResidentCall = Omit<MarginSoftmaxInputs, 'weights' | 'dim'> &
  NativeOptions &
  Omit<MarginSoftmaxOutputs, 'dWeights'>;

declare const headHandle: unique symbol;
/** A resident head, as the addon hands it out. */
export interface HeadHandle {
  readonly [headHandle]: true;
}

/** cosface_resident_head_options of native/include/cosface/resident_head.h. */
export interface HeadCreation {
  classes: number;
  dim: number;
  optimizer: 'sgd' | 'adamw';
  momentum?: number | undefined;
  beta1?: number | undefined;
  beta2?: number | undefined;
  epsilon?: number | undefined;
  normalize: boolean;
}

export interface HeadUpdate {
  learningRate: number;
  weightDecay: number;
}

/** All [C, D] but for `updates`, an Int32Array [C]. */
export type HeadPart = 'weights' | 'velocity' | 'firstMoment' | 'secondMoment' | 'updates';

export type HeadAsyncResult = Omit<MarginSoftmaxAsyncResult, 'dWeights'>;

/** native/include/cosface/cosine_search.h explains each. */
export interface SearchInputs {
  /** [Q, D]. */
  queries: Float32Array;
  /** [G, D]; absent: pairs of two queries. */
  gallery?: Float32Array | null | undefined;
  /** D. */
  dim: number;
  /** [Q]. */
  queryLabels?: Int32Array | null | undefined;
  /** [G]. */
  galleryLabels?: Int32Array | null | undefined;
  threads?: number | undefined;
  workspaceBytes?: number | undefined;
  isa?: Isa | undefined;
}

export interface TopKCall extends SearchInputs {
  k: number;
}

/** By falling cosine, equal ones by rising index. */
export interface TopKResult {
  /** [Q, k], rows of the gallery. */
  indices: Int32Array;
  /** [Q, k], their cosines. */
  scores: Float32Array;
}

export interface CountAboveCall extends SearchInputs {
  /** [T]. */
  thresholds: Float64Array;
}

export interface NativePairCounts {
  /** [T]. */
  genuine: Float64Array;
  /** [T]. */
  impostor: Float64Array;
  genuinePairs: number;
  impostorPairs: number;
}

export interface ImpostorThresholdsCall extends SearchInputs {
  /** [F]. */
  falseAcceptRates: Float64Array;
}

/** What impostorThresholds gives. */
export interface ImpostorThresholdsResult {
  /** [F], the least threshold t for which the share of impostor pairs with cosine >= t is at most the rate. */
  thresholds: Float64Array;
  /** All impostor pairs. */
  pairs: number;
}
