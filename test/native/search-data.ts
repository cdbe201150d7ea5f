import { seededRandom } from './problem.js';

/** Small whole numbers: sums are exact in any order, and ties abound. */
export function wholeRows(rows: number, dim: number, seed: number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: rows * dim }, () => Math.floor(random() * 5) - 2);
}

export function normalRows(rows: number, dim: number, seed: number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: rows * dim }, () => random() + random() + random() - 1.5);
}

export function labelsOf(rows: number, identities: number, seed: number): Int32Array {
  const random = seededRandom(seed);
  return Int32Array.from({ length: rows }, () => Math.floor(random() * identities));
}

/** The longest time, in ms, for which the event loop did not turn while the promise was pending, and how long it took. */
export async function longestPause(promise: Promise<unknown>): Promise<{ pause: number; duration: number }> {
  const start = performance.now();
  let last = start;
  let pause = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    pause = Math.max(pause, now - last);
    last = now;
  }, 2);
  await promise;
  clearInterval(timer);
  return { pause, duration: performance.now() - start };
}
