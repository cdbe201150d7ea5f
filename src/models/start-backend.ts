import { getBackend, setBackend } from '@tensorflow/tfjs-core';
import { CosFaceError } from '../native/errors.js';

export const BACKENDS = ['tensorflow', 'wasm'] as const;
export type BackendName = (typeof BACKENDS)[number];

/** Each is a package of its own, which takes time to load: only the chosen one is. */
const PACKAGES: Readonly<Record<BackendName, () => Promise<unknown>>> = {
  tensorflow: () => import('@tensorflow/tfjs-node'),
  wasm: () => import('@tensorflow/tfjs-backend-wasm'),
};

/**
 * Starts a backend of TensorFlow.js that runs a model. `auto`: tfjs-node where it is installed and works, else wasm, which
 * comes with this package.
 *
 * @throws {CosFaceError} COSFACE_UNSUPPORTED with what is missing.
 * @example await startBackend();
 */
export async function startBackend(asked: BackendName | 'auto' = 'auto'): Promise<BackendName> {
  const names = asked === 'auto' ? BACKENDS : [asked];
  const reasons: string[] = [];
  for (const name of names) {
    try {
      await PACKAGES[name]();
      if ((await setBackend(name)) && getBackend() === name) return name;
      reasons.push(`${name}: it does not start`);
    } catch (cause) {
      reasons.push(`${name}: ${(cause as Error).message.split('\n')[0]}`);
    }
  }
  const text = `no backend of TensorFlow.js to run the model on: ${reasons.join('; ')}. Run cosface doctor.`;
  throw new CosFaceError('COSFACE_UNSUPPORTED', text, { argument: 'backend' });
}
