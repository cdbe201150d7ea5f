import type { TensorInfo } from '@tensorflow/tfjs-core';

/** A float32 or int32 tensor's own memory. */
export type TensorView = Float32Array | Int32Array;

/**
 * A backend whose tensors lie in this process's memory, as far as the native kernels need it.
 *
 * The order matters where memory may move: first `admit` every input, then `allocate` every output, then `read`
 * inputs and `view` outputs. What these give must not be used after a further `admit` or `allocate`.
 */
export interface TensorMemory {
  /** Brings a tensor into this backend, should it still belong to another one. */
  admit(tensor: TensorInfo): void;
  /** A new tensor with unspecified contents. */
  allocate(shape: number[], dtype: 'float32' | 'int32'): TensorInfo;
  /** An input's values, to be read only: its memory, or a copy where that is not of the tensor's dtype. */
  read(tensor: TensorInfo): TensorView;
  /** The tensor's memory itself: writing to the view writes the tensor. */
  view(tensor: TensorInfo): TensorView;
  /** Gives back a tensor that `allocate` made. */
  release(tensor: TensorInfo): void;
}
