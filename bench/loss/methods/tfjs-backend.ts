import { availableParallelism } from 'node:os';
import { backend, env, ready, setBackend } from '@tensorflow/tfjs-core';
import { type Runnable, UnavailableError } from '../method.js';
import type { Backend } from '../rows.js';

type TfjsBackend = Exclude<Backend, 'native' | 'pytorch'>;
type Arithmetic = Pick<Runnable, 'isa' | 'threads'>;

interface BackendSource {
  package: string;
  /** What to do where the package cannot be imported. */
  advice: string;
  /** What does the backend's arithmetic; asked once it is ready. */
  arithmetic: (imported: unknown) => Promise<Arithmetic>;
}

const SOURCES: Record<TfjsBackend, BackendSource> = {
  tensorflow: {
    package: '@tensorflow/tfjs-node',
    advice: 'npm install @tensorflow/tfjs-node, then npx cosface setup-tensorflow',
    arithmetic: async () => {
      const { binding } = backend() as unknown as { binding: { TF_Version: string } };
      // libtensorflow takes one thread for each processor unless told otherwise, which tfjs-node cannot.
      return { isa: `libtensorflow-${binding.TF_Version}`, threads: availableParallelism() };
    },
  },
  wasm: {
    package: '@tensorflow/tfjs-backend-wasm',
    advice: 'npm install @tensorflow/tfjs-backend-wasm',
    arithmetic: async (imported) => {
      const simd = await env().getAsync('WASM_HAS_SIMD_SUPPORT');
      const { getThreadsCount } = imported as { getThreadsCount: () => number };
      return { isa: simd ? 'wasm-simd' : 'wasm', threads: getThreadsCount() };
    },
  },
  cpu: {
    package: '@tensorflow/tfjs-backend-cpu',
    advice: 'npm install @tensorflow/tfjs-backend-cpu',
    arithmetic: async () => ({ isa: 'javascript', threads: 1 }),
  },
};

/**
 * Imports a TensorFlow.js backend and makes it the current one.
 *
 * @returns What its own ops compute with.
 * @throws {UnavailableError} Its package cannot be imported.
 */
export async function useBackend(name: TfjsBackend): Promise<Arithmetic> {
  const source = SOURCES[name];
  const imported = await importPackage(source);
  if (!(await setBackend(name))) throw new UnavailableError(`the backend '${name}' did not start on this system`);
  await ready();
  return source.arithmetic(imported);
}

async function importPackage({ package: specifier, advice }: BackendSource): Promise<unknown> {
  try {
    return await import(specifier);
  } catch (error) {
    const [firstLine] = String((error as Error).message).split('\n');
    throw new UnavailableError(`${specifier} cannot be imported (${firstLine}). Fix: ${advice}.`, { cause: error });
  }
}
