import { createRequire } from 'node:module';
import { engine, type KernelConfig, type KernelFunc, type TensorInfo } from '@tensorflow/tfjs-core';
import type { NativeAddon } from '../native/addon.js';
import type { DeviceChoice } from '../native/backend-choice.js';
import { CosFaceError } from '../native/errors.js';
import {
  DIFFERENTIABLE_INPUTS,
  MarginSoftmax,
  type MarginSoftmaxAttrs,
  MarginSoftmaxGrad,
  type MarginSoftmaxGradAttrs,
  type MarginSoftmaxGradInputs,
  type MarginSoftmaxInputs,
} from './kernel-names.js';
import { needsTfjsNodeCompat, tfjsNodeCompatAdvice } from './tfjs-node-compat-advice.js';
import { warnOnce } from './warn-once.js';

const BACKEND = 'tensorflow';
const FORWARD_OP = 'CosfaceMarginSoftmaxV2';
const GRADIENT_OP = 'CosfaceMarginSoftmaxGradV2';
const BINDING_FILE = 'tfjs_binding.node';

/** The part of tfjs-node 4.22's addon that is used here. */
interface Binding {
  TF_ATTR_INT: number;
  TF_ATTR_STRING: number;
  /** Whether TensorFlow has a GPU device: tfjs-node-gpu, with CUDA libraries and a driver that it can use. */
  isUsingGpuDevice(): boolean;
}

interface OpAttr {
  name: string;
  type: number;
  value: number | string;
}

/** The part of tfjs-node 4.22's `NodeJSKernelBackend` that is used here. */
interface TensorflowBackend {
  binding: Binding;
  /** `numOutputs` must be exact: with one too many the binding throws and leaks a handle for every output. */
  executeMultipleOutputs(name: string, attrs: OpAttr[], inputs: OpInput[], numOutputs: number): TensorInfo[];
  write(values: Float32Array | Int32Array, shape: number[], dtype: 'float32' | 'int32'): object;
  disposeData(dataId: object): boolean;
}

type OpInput = Pick<TensorInfo, 'dataId'>;
type KernelParams = Parameters<KernelFunc>[0];

/**
 * Both kernels for tfjs-node and tfjs-node-gpu: ops inside the very TensorFlow that they have loaded, which read and
 * write its tensors in place. Registers those ops if need be, so tfjs-node must have been imported.
 *
 * Where TensorFlow uses a GPU, the ops run there too, unless COSFACE_DEVICE is 'cpu' or the CUDA library cannot use
 * it: then they run on the CPU, TensorFlow copies their tensors, and a warning COSFACE_TENSORFLOW_CPU says why, once.
 *
 * @throws {CosFaceError} COSFACE_TENSORFLOW: the backend is not tfjs-node's, or its TensorFlow refuses the ops.
 * COSFACE_DEVICE_UNAVAILABLE: COSFACE_DEVICE asks for a GPU in vain.
 */
export function tensorflowKernels(addon: NativeAddon, { device }: Pick<DeviceChoice, 'device'>): KernelConfig[] {
  const { path, binding } = loadedBinding();
  const usesGpu = binding.isUsingGpuDevice();
  const withoutGpu = !usesGpu ? 'TensorFlow uses no GPU.' : device === 'cpu' ? "COSFACE_DEVICE is 'cpu'." : null;
  const { devices, gpuReason } = addon.registerTensorflowOp(path, withoutGpu);
  if (!devices.includes('GPU')) explainCpu(device, usesGpu, gpuReason);
  return [
    { kernelName: MarginSoftmax, backendName: BACKEND, kernelFunc: marginSoftmax },
    { kernelName: MarginSoftmaxGrad, backendName: BACKEND, kernelFunc: marginSoftmaxGrad },
  ];
}

function explainCpu(device: DeviceChoice['device'], usesGpu: boolean, reason: string | null): void {
  if (device === 'cuda') {
    throw new CosFaceError(
      'COSFACE_DEVICE_UNAVAILABLE',
      `COSFACE_DEVICE asks for a GPU, but on the backend '${BACKEND}' margin softmax runs on the CPU: ${reason} ` +
        "For a GPU there, see `npx cosface doctor`; unset COSFACE_DEVICE or set it to 'auto' to do without.",
      { argument: 'COSFACE_DEVICE' },
    );
  }
  if (!usesGpu || device === 'cpu') return;
  warnOnce(
    'COSFACE_TENSORFLOW_CPU',
    BACKEND,
    `TensorFlow uses a GPU, but margin softmax runs on the CPU and its tensors are copied there and back: ${reason} ` +
      'To keep it so without this warning, set COSFACE_DEVICE=cpu.',
  );
}

function marginSoftmax(params: KernelParams): TensorInfo[] {
  const inputs = params.inputs as MarginSoftmaxInputs;
  const attrs = params.attrs as unknown as MarginSoftmaxAttrs;
  const backend = params.backend as TensorflowBackend;
  const gradients = attrs.withGradients ? gradientsOf(inputs) : 0;
  return execute({ backend, inputs, attrs, gradients }, (opInputs, opAttrs) =>
    backend.executeMultipleOutputs(FORWARD_OP, opAttrs, opInputs, 3 + gradients),
  );
}

function marginSoftmaxGrad(params: KernelParams): TensorInfo[] {
  const inputs = params.inputs as MarginSoftmaxGradInputs;
  const attrs = params.attrs as unknown as MarginSoftmaxGradAttrs;
  const backend = params.backend as TensorflowBackend;
  const gradients = gradientsOf(inputs);
  return execute({ backend, inputs, attrs, gradients }, (opInputs, opAttrs) =>
    backend.executeMultipleOutputs(GRADIENT_OP, opAttrs, [...opInputs, inputs.lossGradient], gradients),
  );
}

function gradientsOf(inputs: MarginSoftmaxInputs): number {
  return DIFFERENTIABLE_INPUTS.filter((name) => inputs[name]).length;
}

interface OpCall {
  backend: TensorflowBackend;
  inputs: MarginSoftmaxInputs;
  attrs: MarginSoftmaxGradAttrs;
  /** How many. */
  gradients: number;
}

/** Brings inputs and attributes into the ops' form and turns TensorFlow's errors into `CosFaceError`s. */
function execute(
  { backend, inputs, attrs, gradients }: OpCall,
  run: (inputs: OpInput[], attrs: OpAttr[]) => TensorInfo[],
): TensorInfo[] {
  if (needsTfjsNodeCompat()) throw new CosFaceError('COSFACE_TENSORFLOW', tfjsNodeCompatAdvice());
  const { embeddings, weights, labels, sampleWeights, sampleM1, sampleM2, sampleM3, bias } = inputs;
  const temporary: OpInput[] = [];
  const write = (...args: Parameters<TensorflowBackend['write']>): OpInput => {
    const tensor = { dataId: backend.write(...args) };
    temporary.push(tensor);
    return tensor;
  };
  try {
    const given = [sampleWeights, sampleM1, sampleM2, sampleM3, bias];
    const none = given.every((input) => input) ? undefined : write(new Float32Array(0), [0], 'float32');
    const opInputs = [embeddings, weights, labels, ...given.map((input) => input ?? (none as OpInput))];
    const doubles = doubleBytes(attrs);
    opInputs.push(write(doubles, [doubles.length], 'int32'));
    return run(opInputs, opAttributes(backend.binding, attrs, gradients));
  } catch (error) {
    throw cosFaceErrorOf(error);
  } finally {
    for (const { dataId } of temporary) backend.disposeData(dataId);
  }
}

/** What may change at every step, exactly: TensorFlow.js has no double, and would keep a kernel per attribute value. */
function doubleBytes(attrs: MarginSoftmaxGradAttrs): Int32Array {
  const { scale, m1, m2, m3, gradientTolerance, annealing, labelSmoothing, interclassFilter, negatives, curve } = attrs;
  const { positiveWeight, negativeWeight, negativeMargin } = attrs.binary ?? NO_BINARY_FORM;
  const values = [
    ...[scale, m1, m2, m3, gradientTolerance, annealing, labelSmoothing, interclassFilter ?? NO_FILTER],
    ...[negatives?.t ?? 0, curve.kind === 'power' ? curve.exponent : 1],
    ...[positiveWeight, negativeWeight, negativeMargin],
  ];
  return new Int32Array(Float64Array.from(values).buffer);
}

/** Above every cosine. */
const NO_FILTER = 2;
const NO_BINARY_FORM = { positiveWeight: 1, negativeWeight: 1, negativeMargin: 0, biasSign: 1 } as const;

function opAttributes(binding: Binding, attrs: MarginSoftmaxGradAttrs, gradients: number): OpAttr[] {
  const text = (name: string, value: string): OpAttr => ({ name, type: binding.TF_ATTR_STRING, value });
  const whole = (name: string, value: number): OpAttr => ({ name, type: binding.TF_ATTR_INT, value });
  return [
    whole('ignore_label', attrs.ignoreLabel),
    text('reduction', attrs.reduction),
    text('gradient', attrs.gradient),
    text('precision', attrs.precision),
    text('fallback', attrs.fallback),
    whole('normalize_embeddings', Number(attrs.normalizeEmbeddings)),
    whole('normalize_weights', Number(attrs.normalizeWeights)),
    text('negatives', attrs.negatives?.kind ?? 'plain'),
    whole('sub_centers', attrs.subCenters),
    text('curve', attrs.curve.kind),
    text('form', attrs.binary ? 'binary' : 'softmax'),
    whole('bias_sign', attrs.binary?.biasSign ?? 1),
    whole('num_gradients', gradients),
  ];
}

/** The ops' own messages are `CODE: text {argument index}`; TensorFlow puts its own words around them. */
const OP_MESSAGE = /(COSFACE_[A-Z_]+): ([\s\S]*) \{(\w*)(?: (\d+))?\}/;
/** TensorFlow's check of the types, before the op runs; the position counts from 0. */
const WRONG_DTYPE = /input #(\d+)\(zero-based\) was expected to be an? (\w+) tensor but is an? (\w+) tensor/;
const INPUT_NAMES = [
  'embeddings',
  'weights',
  'labels',
  'sampleWeights',
  'sampleMargins',
  'sampleMargins',
  'sampleMargins',
  'bias',
  'doubles',
  'lossGradient',
] as const;

function cosFaceErrorOf(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof CosFaceError) return error;
  const own = OP_MESSAGE.exec(error.message);
  if (own) {
    const [, code = '', text = '', argument, index] = own;
    return new CosFaceError(code, text, {
      ...(argument ? { argument } : {}),
      ...(index === undefined ? {} : { index: Number(index) }),
    });
  }
  const dtype = WRONG_DTYPE.exec(error.message);
  if (dtype) {
    const argument = INPUT_NAMES[Number(dtype[1])] ?? `input ${dtype[1]}`;
    const expected = dtype[2] === 'float' ? 'float32' : dtype[2];
    const came = dtype[3] === 'float' ? 'float32' : dtype[3];
    return new CosFaceError('COSFACE_DTYPE', `${argument} is ${came}, expected ${expected}. Use tf.cast().`, {
      argument,
    });
  }
  if (error.message.startsWith('Invalid TF_Status')) return new CosFaceError('COSFACE_TENSORFLOW', error.message);
  return error;
}

/**
 * The addon that the backend `tensorflow` uses, and its file.
 *
 * `require.cache` is asked first, for the module whose exports the backend holds: with tfjs-node and tfjs-node-gpu in
 * one process only that tells them apart. Under a test runner with a module cache of its own (Jest) or a bundler it
 * is not there, and the list of loaded libraries has to do.
 */
function loadedBinding(): { binding: Binding; path: string } {
  const binding = (engine().findBackend(BACKEND) as unknown as TensorflowBackend | undefined)?.binding;
  if (!binding) {
    throw new CosFaceError(
      'COSFACE_TENSORFLOW',
      `the backend '${BACKEND}' is not the one of @tensorflow/tfjs-node: it has no native binding. Import ` +
        '@tensorflow/tfjs-node or @tensorflow/tfjs-node-gpu before the first call.',
    );
  }
  const modules = createRequire(import.meta.url).cache;
  const cached = Object.keys(modules).find((path) => modules[path]?.exports === binding);
  const path = cached ?? loadedLibraries().find((library) => library.endsWith(BINDING_FILE));
  if (path !== undefined) return { binding, path };
  throw new CosFaceError(
    'COSFACE_TENSORFLOW',
    `${BINDING_FILE} is not among the libraries of this process, so its TensorFlow cannot be found. Import ` +
      '@tensorflow/tfjs-node from node_modules, not bundled.',
  );
}

function loadedLibraries(): string[] {
  const report = process.report?.getReport() as { sharedObjects?: string[] } | undefined;
  return report?.sharedObjects ?? [];
}
