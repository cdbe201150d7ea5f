import type { MarginSoftmaxCall, MarginSoftmaxSummary, NativeAddon } from '../native/addon.js';
import { CosFaceError } from '../native/errors.js';
import { addressesOf, arraysOf, numbersOf, OUTPUT_ARRAYS } from './call-lists.js';
import { formatted, readText, writeText } from './format.js';

/** What native/wasm/module.cc exports. Numbers that name a place are addresses in `memory`. */
interface ModuleExports {
  memory: { readonly buffer: ArrayBuffer };
  _initialize(): void;
  abiVersion(): number;
  reserve(bytes: number): number;
  marginSoftmax(numbers: number, addresses: number): number;
  summary(): number;
  errorCode(): number;
  errorArgument(): number;
  errorIndex(): number;
  errorMessage(): number;
}

/** The part of JavaScript's WebAssembly that is used here; TypeScript keeps its types with those of browsers. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: unknown };
};

const ALIGNMENT = 64;
const aligned = (bytes: number) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/**
 * The CPU kernels as a WebAssembly module, with memory of its own: a call's arrays are copied in, and its results out.
 * One thread; fp32 whatever `precision` permits.
 *
 * @param bytes - What scripts/wasm.mjs builds. It is compiled at once, which takes some 10 ms.
 * @throws What WebAssembly throws, where there is none, or none with 128-bit vectors.
 */
export function openWasmKernels(bytes: Uint8Array): Pick<NativeAddon, 'abiVersion' | 'marginSoftmax'> {
  const { acos, cos, expm1, log, log1p, log2, sin, pow } = Math;
  let module: ModuleExports;
  const format = (text: number, size: number, template: number, values: number) =>
    writeText(module.memory.buffer, { at: text, size }, formatted(module.memory.buffer, template, values));
  const env = { acos, cos, expm1, log, log1p, log2, sin, pow, format };
  module = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env }).exports as ModuleExports;
  module._initialize();
  return { abiVersion: module.abiVersion(), marginSoftmax: (call) => run(module, call) };
}

function run(module: ModuleExports, call: MarginSoftmaxCall): MarginSoftmaxSummary {
  const arrays = arraysOf(call);
  const numbers = numbersOf(call);
  const places = new Map<string, number>();
  let bytes = aligned(8 * numbers.length) + aligned(4 * addressesOf(places, 0).length);
  for (const [name, array] of arrays) {
    places.set(name, bytes);
    bytes += aligned(Math.max(array.byteLength, 1));
  }
  const start = module.reserve(bytes);
  if (start === 0) throw noRoom(bytes);
  const addressesAt = start + aligned(8 * numbers.length);
  new Float64Array(module.memory.buffer, start).set(numbers);
  new Uint32Array(module.memory.buffer, addressesAt).set(addressesOf(places, start));
  const inModule = (name: string, array: Float32Array | Int32Array) => {
    const View = array[Symbol.toStringTag] === 'Int32Array' ? Int32Array : Float32Array;
    return new View(module.memory.buffer, start + (places.get(name) as number), array.length);
  };
  for (const [name, array] of arrays) if (!OUTPUT_ARRAYS.has(name)) inModule(name, array).set(array);
  if (module.marginSoftmax(start, addressesAt) !== 0) throw lastError(module);
  // The call may have made the memory grow, which takes every earlier view away.
  for (const [name, array] of arrays) if (OUTPUT_ARRAYS.has(name)) array.set(inModule(name, array));
  const [reducedLoss, counted, zeroEmbeddings, zeroWeights] = new Float64Array(
    module.memory.buffer,
    module.summary(),
    4,
  ) as unknown as [number, number, number, number];
  return { reducedLoss, counted, zeroEmbeddings, zeroWeights };
}

function lastError(module: ModuleExports): CosFaceError {
  const text = (address: number) => readText(module.memory.buffer, address);
  const [argument, index] = [text(module.errorArgument()), module.errorIndex()];
  return new CosFaceError(text(module.errorCode()), text(module.errorMessage()), {
    argument: argument || undefined,
    index: index < 0 ? undefined : index,
  });
}

function noRoom(bytes: number): CosFaceError {
  return new CosFaceError(
    'COSFACE_OUT_OF_MEMORY',
    `the WebAssembly kernels need ${bytes} bytes for the arrays of a call, and memory ends at 4 GiB or earlier. Use a ` +
      'smaller batch, or fewer classes.',
  );
}
