import type {
  HeadAsyncResult,
  HeadCreation,
  HeadPart,
  HeadUpdate,
  MarginSoftmaxSummary,
  NativeAddon,
  ResidentCall,
} from './addon.js';
import type { DeviceChoice } from './backend-choice.js';
import { asClassIds, asPositions } from './class-positions.js';
import { CosFaceError } from './errors.js';

/** Where a resident head's memory is, and who steps it. */
export interface HeadStore {
  step(call: ResidentCall, update: HeadUpdate | null): MarginSoftmaxSummary;
  stepAsync(call: ResidentCall, update: HeadUpdate | null): Promise<HeadAsyncResult>;
  read(part: HeadPart, firstClass: number, values: Float32Array | Int32Array): void;
  write(part: HeadPart, firstClass: number, values: Float32Array | Int32Array): void;
  free(): void;
}

export function createHeadStore(addon: NativeAddon, creation: HeadCreation, device: DeviceChoice): HeadStore {
  return device.device === 'cuda' ? cudaStore(addon, creation, device) : cpuStore(addon, creation);
}

function cpuStore(addon: NativeAddon, creation: HeadCreation): HeadStore {
  const handle = addon.createHead(creation);
  return {
    step: (call, update) => addon.stepHead(handle, call, update),
    stepAsync: (call, update) => addon.stepHeadAsync(handle, call, update),
    read: (part, first, values) => addon.readHead(handle, part, first, values),
    write: (part, first, values) => addon.writeHead(handle, part, first, values),
    free: () => addon.freeHead(handle),
  };
}

/** Weights, velocity and gradient on a GPU: a step there is a gradient and then an update. */
function cudaStore(addon: NativeAddon, creation: HeadCreation, device: DeviceChoice): HeadStore {
  const { classes, dim, momentum = 0 } = creation;
  if (creation.optimizer !== 'sgd') throw unsupported('optimizer', "the optimiser 'adamw'", "'sgd'");
  if (creation.normalize) throw unsupported('normalize', 'normalize', 'false');
  const handle = addon.createResident({ classes, dim, ...device });
  const ofGpu = (part: HeadPart): 'weights' | 'velocity' => (part === 'velocity' ? 'velocity' : 'weights');
  return {
    step: (call, update) => {
      const summary = addon.runResident(handle, asPositions(call), update !== null);
      if (update !== null) addon.updateResident(handle, { momentum, ...update });
      if (call.classIds && call.prediction) asClassIds(call.prediction, call.classIds);
      return summary;
    },
    stepAsync: () => Promise.reject(unsupported('device', 'asynchronous steps', 'step() and evaluate()')),
    read: (part, first, values) => addon.readResident(handle, ofGpu(part), first, values as Float32Array),
    write: (part, first, values) => addon.writeResident(handle, ofGpu(part), first, values as Float32Array),
    free: () => addon.freeResident(handle),
  };
}

function unsupported(argument: string, what: string, instead: string): CosFaceError {
  return new CosFaceError(
    'COSFACE_UNSUPPORTED',
    `a head on a GPU does not have ${what}, expected ${instead}. The device 'cpu' has it.`,
    { argument },
  );
}

/** What a step writes. */
export interface StepOutputs {
  loss: Float32Array;
  targetCosine: Float32Array;
  prediction: Int32Array;
  dEmbeddings?: Float32Array;
}

/** Room for what a step gives. */
export function allocateStep(
  { embeddings, labels }: Pick<ResidentCall, 'embeddings' | 'labels'>,
  gradients: boolean,
): StepOutputs {
  const batch = labels?.length ?? 0;
  return {
    loss: new Float32Array(batch),
    targetCosine: new Float32Array(batch),
    prediction: new Int32Array(batch),
    ...(gradients ? { dEmbeddings: new Float32Array(embeddings?.length ?? 0) } : {}),
  };
}
