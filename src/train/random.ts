import seedrandom from 'seedrandom';

/** Numbers in [0, 1), evenly spread. */
export type Random = () => number;

/** A source of random numbers that gives the same ones for the same seed, everywhere. */
export function seededRandom(seed: string): Random {
  return seedrandom(seed);
}

/** The items in random order (Fisher and Yates), as a new array. */
export function shuffled<T>(items: Iterable<T>, random: Random): T[] {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other] as T, order[last] as T];
  }
  return order;
}
