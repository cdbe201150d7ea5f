import type { NativeAddon } from './addon.js';
import { CosFaceError } from './errors.js';

/** The addon as it comes out of the binary, with its errors made CosFaceErrors. */
export function withCosFaceErrors(raw: NativeAddon): NativeAddon {
  return {
    abiVersion: raw.abiVersion,
    marginSoftmax: (call) => translated(() => raw.marginSoftmax(call)),
    marginSoftmaxAsync: (call) => translatedAsync(raw.marginSoftmaxAsync(call)),
    topK: (call) => translated(() => raw.topK(call)),
    topKAsync: (call) => translatedAsync(raw.topKAsync(call)),
    countAbove: (call) => translated(() => raw.countAbove(call)),
    countAboveAsync: (call) => translatedAsync(raw.countAboveAsync(call)),
    impostorThresholds: (call) => translated(() => raw.impostorThresholds(call)),
    impostorThresholdsAsync: (call) => translatedAsync(raw.impostorThresholdsAsync(call)),
    plan: (shape) => translated(() => raw.plan(shape)),
    info: () => translated(() => raw.info()),
    cuda: (ordinal, shape) => translated(() => raw.cuda(ordinal, shape)),
    usesCuda: (choice) => translated(() => raw.usesCuda(choice)),
    offerCudaLibrary: (file) => translated(() => raw.offerCudaLibrary(file)),
    createResident: (options) => translated(() => raw.createResident(options)),
    runResident: (handle, call, gradients) => translated(() => raw.runResident(handle, call, gradients)),
    updateResident: (handle, sgd) => translated(() => raw.updateResident(handle, sgd)),
    readResident: (handle, part, first, values) => translated(() => raw.readResident(handle, part, first, values)),
    writeResident: (handle, part, first, values) => translated(() => raw.writeResident(handle, part, first, values)),
    freeResident: (handle) => translated(() => raw.freeResident(handle)),
    createHead: (options) => translated(() => raw.createHead(options)),
    stepHead: (handle, call, update) => translated(() => raw.stepHead(handle, call, update)),
    stepHeadAsync: (handle, call, update) => translatedAsync(raw.stepHeadAsync(handle, call, update)),
    readHead: (handle, part, first, values) => translated(() => raw.readHead(handle, part, first, values)),
    writeHead: (handle, part, first, values) => translated(() => raw.writeHead(handle, part, first, values)),
    freeHead: (handle) => translated(() => raw.freeHead(handle)),
    uniformRows: (request) => translated(() => raw.uniformRows(request)),
    registerTensorflowOp: (bindingPath, withoutGpu) =>
      translated(() => raw.registerTensorflowOp(bindingPath, withoutGpu)),
    fmaRate: (request) => translated(() => raw.fmaRate(request)),
    memoryRate: (request) => translated(() => raw.memoryRate(request)),
    releaseWorkspace: () => raw.releaseWorkspace(),
  };
}

function translated<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw fromNative(error);
  }
}

async function translatedAsync<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw fromNative(error);
  }
}

/** What is not the addon's own (a getter of the caller that threw) is given back as it came. */
function fromNative(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof CosFaceError) return error;
  const { code, argument, index } = error as Error & { code?: unknown; argument?: string; index?: number };
  if (typeof code !== 'string' || !code.startsWith('COSFACE_')) return error;
  return new CosFaceError(code, error.message, { argument, index });
}
