import type { CudaInfo, NativeInfo, Plan, PlanShape, TensorflowOp } from './addon.js';
import { backendChoice, chooseDevice, type DeviceChoice } from './backend-choice.js';
import { CosFaceError } from './errors.js';
import { loadBinary } from './load.js';
import { findPackageRoot } from './package-root.js';

/** What would run a call now, and why not something better. */
export interface BackendInfo {
  /** Of cosface. */
  version: string;
  /** Path of the binary; null where none is used. */
  binary: string | null;
  /** ABI version of the binary. */
  abi: number | null;
  /** Instruction set in use, COSFACE_ISA applied. */
  isa: string | null;
  /** Instruction sets that this processor and build can run, from least to best. */
  isas: string[];
  /** How calls with a bf16 precision multiply with that set: by bf16 instructions, or as float32 after a conversion. */
  bf16: 'native' | 'converted' | null;
  /** Workers of a large call, COSFACE_THREADS applied. */
  threads: number | null;
  /** Where a call without a `device` runs, COSFACE_DEVICE applied. */
  device: 'cpu' | 'cuda';
  /** The GPU that such a call may use, or why there is none. */
  cuda: CudaInfo;
  /** Where TensorFlow runs the op, and why not on a GPU; null before the first use of the backend `tensorflow`. */
  tensorflow: TensorflowOp | null;
  /** How a call of the given shape would run, and why; null where no shape was given or there is no binary. */
  plan: Plan | null;
  /** The CUDA version of the GPU driver in use, as in '13.0'. */
  driver: string | null;
  /** Why there is no binary, or empty. */
  reasons: string[];
  /** Version of Node. */
  node: string;
  /** As in 'linux-x64'. */
  platform: string;
}

/**
 * Which binary, instruction set, threads and device a call would use now. A missing binary is told in `reasons` and no
 * error, a missing GPU in `cuda.reason`. Opens the GPU where there is one.
 *
 * @param shape Of a call whose plan is wanted: `batch`, `classes`, `dim`, `gradients`, and any option of marginSoftmax
 * that takes no array.
 * @throws {CosFaceError} COSFACE_ENVIRONMENT, COSFACE_DEVICE_UNAVAILABLE or COSFACE_UNSUPPORTED where a COSFACE_*
 * variable asks for what there is not; COSFACE_NO_BINARY with COSFACE_BACKEND=native.
 * @example
 * console.log(backendInfo().isa); // 'avx2'
 * console.log(backendInfo({ batch: 512, classes: 100_000, dim: 512, gradients: true }).plan?.description);
 */
export function backendInfo(shape?: PlanShape): BackendInfo {
  const choice = chooseDevice('auto');
  const { binary, info, plan, cuda, usesCuda, reasons } = describeBinary(choice, shape);
  return {
    version: findPackageRoot()?.version ?? 'bundled',
    binary,
    abi: info?.abiVersion ?? null,
    isa: info?.isa ?? null,
    isas: info?.isas ?? [],
    bf16: info ? bf16With(info.isa) : null,
    threads: info?.threads ?? null,
    device: usesCuda ? 'cuda' : 'cpu',
    cuda,
    tensorflow: info?.tensorflow ?? null,
    plan,
    driver: cuda.available ? cuda.driver : null,
    reasons,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
  };
}

function bf16With(isa: string): 'native' | 'converted' {
  return isa === 'avx512_bf16' ? 'native' : 'converted';
}

interface DescribedBinary {
  binary: string | null;
  info?: NativeInfo;
  plan: Plan | null;
  cuda: CudaInfo;
  usesCuda: boolean;
  reasons: string[];
}

function describeBinary(choice: DeviceChoice, shape: PlanShape | undefined): DescribedBinary {
  try {
    const { addon, path } = loadBinary();
    return {
      binary: path,
      info: addon.info(),
      plan: shape ? addon.plan(shape) : null,
      usesCuda: addon.usesCuda(choice),
      cuda: addon.cuda(choice.ordinal, shape),
      reasons: [],
    };
  } catch (error) {
    const missing = error instanceof CosFaceError && error.code === 'COSFACE_NO_BINARY';
    if (!missing || backendChoice() === 'native') throw error;
    const cuda: CudaInfo = { available: false, reason: 'there is no native binary.' };
    return { binary: null, plan: null, cuda, usesCuda: false, reasons: [error.message] };
  }
}
