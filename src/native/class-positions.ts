import type { ResidentCall } from './addon.js';
import { CosFaceError } from './errors.js';

/** A call whose labels are positions in its `classIds`, as the GPU's kernels want them; without `classIds` the call itself. */
export function asPositions<C extends Pick<ResidentCall, 'labels' | 'classIds' | 'ignoreLabel'>>(call: C): C {
  const { labels, classIds, ignoreLabel } = call;
  // What is no such array is the binary's to refuse.
  if (!(classIds instanceof Int32Array && labels instanceof Int32Array)) return call;
  const positions = labels.map((label, i) => {
    if (label === ignoreLabel) return -1;
    const position = findRising(classIds, label);
    if (position >= 0) return position;
    throw new CosFaceError(
      'COSFACE_LABEL_RANGE',
      `labels[${i}] is ${label}, which is not in classIds, expected the class of every sample that counts to be among ` +
        'those that take part. sampleClasses() puts them there.',
      { argument: 'labels', index: i },
    );
  });
  return { ...call, labels: positions, ignoreLabel: -1 };
}

/** Positions made classes again, in place. */
export function asClassIds(positions: Int32Array, classIds: Int32Array): void {
  for (let i = 0; i < positions.length; i++) positions[i] = classIds[positions[i] as number] as number;
}

function findRising(values: Int32Array, wanted: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] as number) < wanted) low = middle + 1;
    else high = middle;
  }
  return values[low] === wanted ? low : -1;
}
