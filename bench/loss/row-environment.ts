import type { LossRow } from './rows.js';

/**
 * The environment that a row's process is started with: what is chosen once for a process is chosen there. Threads and
 * instruction set of a kernel come from it too.
 */
export function rowEnvironment({ method, isa }: LossRow): Record<string, string> {
  return {
    COSFACE_BACKEND: method === 'native' ? 'native' : 'js',
    ...(isa !== 'auto' && { COSFACE_ISA: isa }),
    // Libtensorflow's remarks on the processor.
    TF_CPP_MIN_LOG_LEVEL: '3',
  };
}
