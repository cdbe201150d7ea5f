import { type DataId, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { CosFaceError } from '../native/errors.js';
import type { TensorMemory, TensorView } from './tensor-memory.js';

/** The part of tfjs-backend-cpu 4.22's `MathBackendCPU` that is used here. */
interface CpuBackend {
  data: { get(dataId: DataId): { values?: unknown } };
  makeTensorInfo(shape: number[], dtype: string, values: TensorView): TensorInfo;
  disposeData(dataId: DataId): boolean;
}

const ARRAY_NAMES = { float32: 'Float32Array', int32: 'Int32Array' } as const;

/** The `cpu` backend keeps each tensor as one typed array, which is handed out as it is. */
export function cpuMemory(backend: object): TensorMemory {
  const cpu = backend as CpuBackend;
  return {
    admit: (tensor) => void cpu.data.get(tensor.dataId),
    allocate: (shape, dtype) => {
      const size = util.sizeFromShape(shape);
      return cpu.makeTensorInfo(shape, dtype, dtype === 'int32' ? new Int32Array(size) : new Float32Array(size));
    },
    view: (tensor) => typedArrayOf(cpu.data.get(tensor.dataId).values, tensor),
    release: (tensor) => void cpu.disposeData(tensor.dataId),
  };
}

function typedArrayOf(values: unknown, tensor: TensorInfo): TensorView {
  const wanted = ARRAY_NAMES[tensor.dtype as keyof typeof ARRAY_NAMES];
  const size = util.sizeFromShape(tensor.shape);
  const array = values as TensorView;
  // By tag, not instanceof: under Jest the backend's arrays come from another realm.
  if (wanted !== undefined && array?.[Symbol.toStringTag] === wanted && array.length === size) return array;
  throw new CosFaceError(
    'COSFACE_DTYPE',
    `the cpu backend holds a tensor of shape [${tensor.shape}] as ${describe(values)}, expected a ${wanted} of length ` +
      `${size}. Make the tensor from a ${wanted}, or copy it with tf.cast() before the call.`,
  );
}

function describe(values: unknown): string {
  if (values === null || values === undefined) return 'nothing';
  const { length } = values as { length?: number };
  return `${Object.prototype.toString.call(values).slice(8, -1)} of length ${length}`;
}
