import { isOurs, type LossRow } from './rows.js';

/**
 * glibc's allocator told to keep what is freed, so that large temporaries do not come as fresh pages at every step:
 * what a user who minds the time sets for PyTorch (mallopt(3)).
 */
const TUNED_MALLOC = {
  MALLOC_MMAP_THRESHOLD_: String(2 ** 33),
  MALLOC_TRIM_THRESHOLD_: String(2 ** 34),
  MALLOC_TOP_PAD_: String(2 ** 28),
};

/**
 * The environment that a row's process is started with: what is chosen once for a process is chosen there. Threads and
 * instruction set of a kernel come from it too.
 */
export function rowEnvironment({ method, isa }: LossRow): Record<string, string> {
  return {
    COSFACE_BACKEND: isOurs(method) ? 'native' : 'js',
    ...(isa !== 'auto' && { COSFACE_ISA: isa }),
    // Libtensorflow's remarks on the processor.
    TF_CPP_MIN_LOG_LEVEL: '3',
  };
}

/** What is added to it for the Python process of a peer. */
export function peerEnvironment({ malloc }: LossRow): Record<string, string> {
  return malloc === 'tuned' ? TUNED_MALLOC : {};
}
