import type { KernelConfig, KernelFunc, TensorInfo } from '@tensorflow/tfjs-core';
import type {
  FamilyOutputs,
  FamilyPart,
  MarginSoftmaxCall,
  MarginSoftmaxOutputs,
  NativeAddon,
} from '../native/addon.js';
import type { DeviceChoice } from '../native/backend-choice.js';
import {
  DIFFERENTIABLE_INPUTS,
  MarginSoftmax,
  type MarginSoftmaxAttrs,
  MarginSoftmaxGrad,
  type MarginSoftmaxGradAttrs,
  type MarginSoftmaxGradInputs,
  type MarginSoftmaxInputs,
} from './kernel-names.js';
import type { TensorMemory } from './tensor-memory.js';

/** Where the addon writes, by the names of its outputs; what is not there is not produced. */
type Outputs = Partial<Record<keyof MarginSoftmaxOutputs | keyof FamilyOutputs, TensorInfo>>;

const OUTPUT_NAMES = {
  embeddings: 'dEmbeddings',
  weights: 'dWeights',
  sampleWeights: 'dSampleWeights',
  sampleM1: 'dSampleM1',
  sampleM2: 'dSampleM2',
  sampleM3: 'dSampleM3',
  bias: 'dBias',
} as const;

/** What runs a call, where, and on whose tensors. */
interface Host {
  addon: Pick<NativeAddon, 'marginSoftmax'>;
  device: DeviceChoice | undefined;
  memory: TensorMemory;
}

type KernelParams = Parameters<KernelFunc>[0];

/**
 * Both kernels for a backend whose tensors lie in this process's memory. The addon reads and writes the backend's own
 * arrays; nothing is copied, but for an input whose array is not of its dtype.
 */
export function nativeKernels(
  backendName: string,
  memoryOf: (backend: object) => TensorMemory,
  addon: Pick<NativeAddon, 'marginSoftmax'>,
  device?: DeviceChoice,
): KernelConfig[] {
  return [
    {
      kernelName: MarginSoftmax,
      backendName,
      kernelFunc: ({ inputs, attrs, backend }: KernelParams) =>
        marginSoftmax(
          { addon, device, memory: memoryOf(backend) },
          inputs as MarginSoftmaxInputs,
          attrs as unknown as MarginSoftmaxAttrs,
        ),
    },
    {
      kernelName: MarginSoftmaxGrad,
      backendName,
      kernelFunc: ({ inputs, attrs, backend }: KernelParams) =>
        marginSoftmaxGrad(
          { addon, device, memory: memoryOf(backend) },
          inputs as MarginSoftmaxGradInputs,
          attrs as unknown as MarginSoftmaxGradAttrs,
        ),
    },
  ];
}

function marginSoftmax(
  { addon, device, memory }: Host,
  inputs: MarginSoftmaxInputs,
  attrs: MarginSoftmaxAttrs,
): TensorInfo[] {
  const reduced = attrs.reduction !== 'none';
  const batch = inputs.labels.shape;
  admitAll(memory, inputs);
  return withOutputs(memory, (allocate) => {
    const loss = allocate(reduced ? [] : batch, 'float32');
    const targetCosine = allocate(batch, 'float32');
    const prediction = allocate(batch, 'int32');
    const outputs: Outputs = { targetCosine, prediction };
    if (!reduced) outputs.loss = loss;
    const tensors = [loss, targetCosine, prediction];
    if (attrs.withGradients) tensors.push(...allocateGradients(allocate, inputs, outputs));
    const summary = addon.marginSoftmax({ ...nativeCall(memory, inputs, attrs, outputs), ...device });
    if (reduced) memory.view(loss)[0] = summary.reducedLoss;
    return tensors;
  });
}

function marginSoftmaxGrad(
  { addon, device, memory }: Host,
  inputs: MarginSoftmaxGradInputs,
  attrs: MarginSoftmaxGradAttrs,
): TensorInfo[] {
  admitAll(memory, inputs);
  return withOutputs(memory, (allocate) => {
    const outputs: Outputs = {};
    const tensors = allocateGradients(allocate, inputs, outputs);
    const call = { ...nativeCall(memory, inputs, attrs, outputs), ...device };
    const lossGradient = memory.read(inputs.lossGradient) as Float32Array;
    call.lossGradient = attrs.reduction === 'none' ? lossGradient : perSample(lossGradient, call);
    call.reduction = 'none';
    addon.marginSoftmax(call);
    return tensors;
  });
}

/** The gradient of g times the mean or the sum, as one factor for each sample. */
function perSample(lossGradient: Float32Array, call: MarginSoftmaxCall): Float32Array {
  const { labels, sampleWeights, ignoreLabel, reduction } = call;
  let factor = lossGradient[0] as number;
  if (reduction === 'mean') {
    const counted = labels.reduce((n, label, i) => n + Number(label !== ignoreLabel && sampleWeights?.[i] !== 0), 0);
    factor /= Math.max(counted, 1);
  }
  return new Float32Array(labels.length).fill(factor);
}

function admitAll(memory: TensorMemory, inputs: MarginSoftmaxInputs): void {
  for (const name in inputs) {
    const tensor = inputs[name];
    if (tensor) memory.admit(tensor);
  }
}

type Allocate = TensorMemory['allocate'];

/** Runs `body`; should it throw, the outputs it had allocated are given back first. */
function withOutputs(memory: TensorMemory, body: (allocate: Allocate) => TensorInfo[]): TensorInfo[] {
  const allocated: TensorInfo[] = [];
  try {
    return body((shape, dtype) => {
      const tensor = memory.allocate(shape, dtype);
      allocated.push(tensor);
      return tensor;
    });
  } catch (error) {
    for (const tensor of allocated) memory.release(tensor);
    throw error;
  }
}

function allocateGradients(allocate: Allocate, inputs: MarginSoftmaxInputs, outputs: Outputs): TensorInfo[] {
  const gradients: TensorInfo[] = [];
  for (const name of DIFFERENTIABLE_INPUTS) {
    const input = inputs[name];
    if (!input) continue;
    const gradient = allocate(input.shape, 'float32');
    outputs[OUTPUT_NAMES[name]] = gradient;
    gradients.push(gradient);
  }
  return gradients;
}

/** Spelt out: of a tiny call copying objects would be a good part. */
function nativeCall(
  memory: TensorMemory,
  inputs: MarginSoftmaxInputs,
  attrs: MarginSoftmaxGradAttrs,
  outputs: Outputs,
): MarginSoftmaxCall {
  const call: MarginSoftmaxCall = {
    embeddings: memory.read(inputs.embeddings) as Float32Array,
    weights: memory.read(inputs.weights) as Float32Array,
    labels: memory.read(inputs.labels) as Int32Array,
    dim: inputs.weights.shape[1] as number,
    scale: attrs.scale,
    m1: attrs.m1,
    m2: attrs.m2,
    m3: attrs.m3,
    ignoreLabel: attrs.ignoreLabel,
    reduction: attrs.reduction,
    gradient: attrs.gradient,
    precision: attrs.precision,
    gradientTolerance: attrs.gradientTolerance,
  };
  if (inputs.sampleWeights) call.sampleWeights = memory.read(inputs.sampleWeights) as Float32Array;
  if (outputs.loss) call.loss = memory.view(outputs.loss) as Float32Array;
  if (outputs.targetCosine) call.targetCosine = memory.view(outputs.targetCosine) as Float32Array;
  if (outputs.prediction) call.prediction = memory.view(outputs.prediction) as Int32Array;
  if (outputs.dEmbeddings) call.dEmbeddings = memory.view(outputs.dEmbeddings) as Float32Array;
  if (outputs.dWeights) call.dWeights = memory.view(outputs.dWeights) as Float32Array;
  if (inputs.sampleWeights || hasMargins(inputs) || inputs.bias || !isPlain(attrs)) {
    call.family = familyPart(memory, inputs, attrs, outputs);
  }
  return call;
}

function hasMargins({ sampleM1, sampleM2, sampleM3 }: MarginSoftmaxInputs): boolean {
  return sampleM1 !== undefined || sampleM2 !== undefined || sampleM3 !== undefined;
}

/** Whether a loss has nothing beyond its margins. */
function isPlain(attrs: MarginSoftmaxGradAttrs): boolean {
  return (
    attrs.fallback === 'continuous' &&
    attrs.annealing === 0 &&
    attrs.normalizeEmbeddings &&
    attrs.normalizeWeights &&
    attrs.labelSmoothing === 0 &&
    attrs.interclassFilter == null &&
    attrs.negatives == null &&
    attrs.subCenters === 1 &&
    attrs.curve.kind === 'cosine' &&
    attrs.binary == null
  );
}

function familyPart(
  memory: TensorMemory,
  inputs: MarginSoftmaxInputs,
  attrs: MarginSoftmaxGradAttrs,
  outputs: Outputs,
): FamilyPart {
  const part: FamilyPart = { ...attrs };
  for (const name of ['sampleM1', 'sampleM2', 'sampleM3', 'bias'] as const) {
    const input = inputs[name];
    if (input) part[name] = memory.read(input) as Float32Array;
  }
  for (const name of ['dBias', 'dSampleWeights', 'dSampleM1', 'dSampleM2', 'dSampleM3'] as const) {
    const output = outputs[name];
    if (output) part[name] = memory.view(output) as Float32Array;
  }
  return part;
}
