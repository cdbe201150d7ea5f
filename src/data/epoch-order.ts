import { seededRandom } from '../train/random.js';

/** A permutation of 0 .. size - 1, the same for the same seed and epoch. */
export function epochOrder(size: number, seed: number | string, epoch: number): Int32Array {
  const random = seededRandom(`order ${seed} ${epoch}`);
  const order = Int32Array.from({ length: size }, (_, at) => at);
  for (let last = size - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other] as number, order[last] as number];
  }
  return order;
}
