// Calls that take turns in one process, so that a noisy minute meets every one of them.
import { loadavg } from 'node:os';

/**
 * @param calls - name to call; each is called once before the first turn that counts.
 * @returns name to the median of its milliseconds, in the order of `calls`.
 */
export function medianTimes(calls, turns) {
  const times = Object.fromEntries(Object.keys(calls).map((name) => [name, []]));
  for (let turn = -1; turn < turns; turn++)
    for (const [name, call] of Object.entries(calls)) {
      const start = performance.now();
      call();
      if (turn >= 0) times[name].push(performance.now() - start);
    }
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all)]));
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** A Markdown table of the times and of their ratios to the one named `against`. */
export function printTimes(times, against) {
  console.log(`| | median | against ${against} |\n|---|---|---|`);
  for (const [name, ms] of Object.entries(times))
    console.log(`| ${name} | ${ms.toFixed(1)} ms | ${(ms / times[against]).toFixed(2)} x |`);
  console.log(`\nLoad average at the end: ${loadavg()[0].toFixed(1)}.`);
}
