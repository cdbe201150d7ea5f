import type { ChartSeries } from '../charts/chart.js';
import { drawChart } from '../charts/chart.js';
import type { FaceSet } from '../data/face-set.js';

export interface EmbeddedFaces {
  faces: FaceSet;
  /** Row-major [rows, size]. */
  features: Float32Array;
  /** The image of each row. */
  indices: Int32Array;
  /** Who they are, in words. */
  name: string;
}

/** As many as there are colours. */
const PEOPLE = 9;
const LEAST_IMAGES = 3;

/**
 * A picture of the directions of some people's embeddings: those with the most images, on the plane of the two principal
 * components of their unit vectors. `undefined` where fewer than two people have three images.
 */
export function embeddingMap({ faces, features, indices, name }: EmbeddedFaces): string | undefined {
  const rowsOf = new Map<number, number[]>();
  indices.forEach((index, row) => {
    const label = faces.labels[index] as number;
    rowsOf.set(label, [...(rowsOf.get(label) ?? []), row]);
  });
  const people = [...rowsOf]
    .filter(([, rows]) => rows.length >= LEAST_IMAGES)
    .sort(([a, rows], [b, others]) => others.length - rows.length || a - b)
    .slice(0, PEOPLE);
  if (people.length < 2) return undefined;
  const size = features.length / indices.length;
  const shown = people.flatMap(([, rows]) => rows);
  const units = shown.map((row) => unit(features.subarray(row * size, (row + 1) * size)));
  const middle = average(units);
  const centred = units.map((vector) => vector.map((value, k) => value - (middle[k] as number)));
  const first = principal(centred);
  const second = principal(centred.map((vector) => without(vector, first)));
  const at = new Map(shown.map((row, place) => [row, centred[place] as Float64Array]));
  const series = people.map(
    ([label, rows]): ChartSeries => ({
      name: faces.identities[label] as string,
      kind: 'dots',
      points: rows.map((row) => {
        const vector = at.get(row) as Float64Array;
        return [dot(vector, first), dot(vector, second)] as const;
      }),
    }),
  );
  return drawChart({
    ...{ title: 'Embeddings of people never seen in training', x: 'first principal component', y: 'second', series },
    scales: { x: 'linear', y: 'linear' },
    note: `${name}: the ${people.length} with the most images, as unit vectors.`,
  });
}

function unit(vector: Float32Array): Float64Array {
  const values = Float64Array.from(vector);
  const length = Math.sqrt(dot(values, values)) || 1;
  return values.map((value) => value / length);
}

function average(vectors: readonly Float64Array[]): Float64Array {
  const sum = new Float64Array(vectors[0]?.length ?? 0);
  for (const vector of vectors)
    for (let k = 0; k < sum.length; k++) sum[k] = (sum[k] as number) + (vector[k] as number);
  return sum.map((value) => value / vectors.length);
}

/** The direction in which the vectors spread most, by power iteration from a fixed start: enough for a picture. */
function principal(vectors: readonly Float64Array[]): Float64Array {
  let direction = Float64Array.from(vectors[0] as Float64Array, (_, k) => Math.sin(k + 1));
  for (let turn = 0; turn < 100; turn++) {
    const next = new Float64Array(direction.length);
    for (const vector of vectors) {
      const along = dot(vector, direction);
      for (let k = 0; k < next.length; k++) next[k] = (next[k] as number) + along * (vector[k] as number);
    }
    const length = Math.sqrt(dot(next, next));
    if (length === 0) return direction;
    direction = next.map((value) => value / length);
  }
  return direction;
}

function without(vector: Float64Array, direction: Float64Array): Float64Array {
  const along = dot(vector, direction);
  return vector.map((value, k) => value - along * (direction[k] as number));
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += (a[k] as number) * (b[k] as number);
  return sum;
}
