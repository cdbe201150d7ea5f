import { type DataId, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { CosFaceError } from '../native/errors.js';
import type { TensorMemory, TensorView } from './tensor-memory.js';

/** The part of tfjs-backend-cpu 4.22's `MathBackendCPU` that is used here. */
interface CpuBackend {
  data: { get(dataId: DataId): { values?: unknown } };
  makeTensorInfo(shape: number[], dtype: string, values: TensorView): TensorInfo;
  disposeData(dataId: DataId): boolean;
}

interface ArrayKind {
  name: string;
  from(values: ArrayLike<number>): TensorView;
  /** Arrays that hold nothing which this one could not: the backend's cast relabels a tensor and keeps its array. */
  relabelled: readonly string[];
}

const BYTES = ['Uint8Array', 'Uint8ClampedArray'];
const ARRAY_KINDS: Readonly<Record<string, ArrayKind>> = {
  float32: { name: 'Float32Array', from: (v) => Float32Array.from(v), relabelled: ['Int32Array', ...BYTES] },
  int32: { name: 'Int32Array', from: (v) => Int32Array.from(v), relabelled: BYTES },
};

/** The `cpu` backend keeps each tensor as one typed array, which is handed out as it is. */
export function cpuMemory(backend: object): TensorMemory {
  const cpu = backend as CpuBackend;
  return {
    admit: (tensor) => void cpu.data.get(tensor.dataId),
    allocate: (shape, dtype) => {
      const size = util.sizeFromShape(shape);
      return cpu.makeTensorInfo(shape, dtype, dtype === 'int32' ? new Int32Array(size) : new Float32Array(size));
    },
    read: (tensor) => valuesOf(cpu.data.get(tensor.dataId).values, tensor),
    view: (tensor) => typedArrayOf(cpu.data.get(tensor.dataId).values, tensor),
    release: (tensor) => void cpu.disposeData(tensor.dataId),
  };
}

function valuesOf(values: unknown, tensor: TensorInfo): TensorView {
  const kind = ARRAY_KINDS[tensor.dtype];
  const array = values as TensorView | null | undefined;
  const relabelled = kind?.relabelled.includes(array?.[Symbol.toStringTag] ?? '');
  // The tensor it was cast from may share the array, so the copy cannot take its place.
  if (relabelled && array?.length === util.sizeFromShape(tensor.shape)) return (kind as ArrayKind).from(array);
  return typedArrayOf(values, tensor);
}

function typedArrayOf(values: unknown, tensor: TensorInfo): TensorView {
  const wanted = ARRAY_KINDS[tensor.dtype]?.name;
  const size = util.sizeFromShape(tensor.shape);
  const array = values as TensorView;
  // By tag, not instanceof: under Jest the backend's arrays come from another realm.
  if (wanted !== undefined && array?.[Symbol.toStringTag] === wanted && array.length === size) return array;
  if (size > 0 && ArrayBuffer.isView(values) && values.byteLength === 0) throw detached(tensor);
  throw new CosFaceError(
    'COSFACE_DTYPE',
    `the cpu backend holds a tensor of shape [${tensor.shape}] as ${describe(values)}, expected a ${wanted} of length ` +
      `${size}. Make the tensor from a ${wanted}.`,
  );
}

function detached({ shape }: TensorInfo): CosFaceError {
  return new CosFaceError(
    'COSFACE_DETACHED',
    `the array of a tensor of shape [${shape}] has been detached: its buffer went to another thread. Make the tensor ` +
      'from a copy of the array, or transfer a copy.',
  );
}

function describe(values: unknown): string {
  if (values === null || values === undefined) return 'nothing';
  const { length } = values as { length?: number };
  return `${Object.prototype.toString.call(values).slice(8, -1)} of length ${length}`;
}
