import { type DataId, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { CosFaceError } from '../native/errors.js';
import type { TensorMemory, TensorView } from './tensor-memory.js';

/** The part of tfjs-backend-wasm 4.22's `BackendWasm` that is used here. */
interface WasmBackend {
  wasm: { HEAPU8: Uint8Array };
  dataIdMap: { get(dataId: DataId): { memoryOffset: number } };
  makeOutput(shape: number[], dtype: string): TensorInfo;
  disposeData(dataId: DataId): boolean;
}

/** A wasm heap ends at 4 GiB; malloc would take the size of a larger request modulo that. */
const HEAP_ELEMENTS = 2 ** 32 / 4;

/**
 * The `wasm` backend keeps tensors in one WebAssembly heap. An allocation may grow it, which detaches the heap's
 * ArrayBuffer and leaves every earlier view with length 0; hence the order that `TensorMemory` asks for.
 */
export function wasmMemory(backend: object): TensorMemory {
  const wasm = backend as WasmBackend;
  const view = (tensor: TensorInfo): TensorView => {
    const { memoryOffset } = wasm.dataIdMap.get(tensor.dataId);
    const size = util.sizeFromShape(tensor.shape);
    const View = tensor.dtype === 'int32' ? Int32Array : Float32Array;
    return new View(wasm.wasm.HEAPU8.buffer as ArrayBuffer, memoryOffset, size);
  };
  return {
    admit: (tensor) => void wasm.dataIdMap.get(tensor.dataId),
    allocate: (shape, dtype) => {
      const size = util.sizeFromShape(shape);
      if (size >= HEAP_ELEMENTS) throw noRoom(shape);
      const tensor = wasm.makeOutput(shape, dtype);
      // malloc answers 0 when the heap can grow no further; writing there would destroy the heap's first bytes.
      if (size === 0 || wasm.dataIdMap.get(tensor.dataId).memoryOffset !== 0) return tensor;
      wasm.disposeData(tensor.dataId);
      throw noRoom(shape);
    },
    read: view,
    view,
    release: (tensor) => void wasm.disposeData(tensor.dataId),
  };
}

function noRoom(shape: number[]): CosFaceError {
  return new CosFaceError(
    'COSFACE_OUT_OF_MEMORY',
    `the wasm backend has no room for a tensor of shape [${shape}]: its heap ends at 4 GiB. Use a smaller batch, or ` +
      'another backend.',
  );
}
