import type { FeatureMatrix } from '../data/read-npy.js';
import { bare } from './feature-rows.js';
import type { FeatureTable } from './feature-table.js';

/**
 * How the features of a video's frames become one. The paper of CosFace names no rule, so a result names its own.
 *
 * - `unit-mean`: the mean of the frames' unit vectors; pairs by cosine.
 * - `raw-mean`: the mean of the features as they are; pairs by cosine.
 * - `frame-pairs`: the mean cosine of all pairs of the first 100 frames of each (FaceNet, section 5.7). That mean is
 *   the dot product of the two means of unit vectors, so no pair of frames has to be formed.
 */
export type VideoPooling = 'unit-mean' | 'raw-mean' | 'frame-pairs';

export const VIDEO_POOLINGS: readonly VideoPooling[] = ['unit-mean', 'raw-mean', 'frame-pairs'];
const FRAMES_OF_PAIRS = 100;

export interface PooledVideos extends FeatureMatrix {
  /** `person/video`, row by row. */
  names: string[];
}

/**
 * One row for each video. A frame's video is the folder it lies in with the folder above that: `Ann/3` for
 * `ytf/Ann/3/3.1617.jpg`. A list of videos, `Ann/3` itself without an image ending, is taken as it is.
 */
export function poolVideos(table: FeatureTable, pooling: VideoPooling): PooledVideos {
  const { values, dim, dtype } = table;
  const videos = groupByVideo(table.names);
  const names = [...videos.keys()];
  const pooled = new Float32Array(names.length * dim);
  names.forEach((name, at) => {
    const rows = videos.get(name) as number[];
    const used = pooling === 'frame-pairs' ? rows.slice(0, FRAMES_OF_PAIRS) : rows;
    pooled.set(meanRow(values, dim, { rows: used, unit: pooling !== 'raw-mean' }), at * dim);
  });
  return { values: pooled, rows: names.length, dim, dtype, names };
}

/** The video that a frame is of: `Ann/3` for `ytf/Ann/3/3.1617.jpg`. */
export function videoOf(frame: string): string {
  return bare(frame).split('/').slice(-3, -1).join('/');
}

function groupByVideo(names: readonly string[]): Map<string, number[]> {
  const areFrames = names.some((name) => bare(name) !== name.replaceAll('\\', '/').replace(/^(\.\/)+/, ''));
  const videos = new Map<string, number[]>();
  names.forEach((name, row) => {
    const video = areFrames ? videoOf(name) : bare(name).split('/').slice(-2).join('/');
    const rows = videos.get(video);
    if (rows) rows.push(row);
    else videos.set(video, [row]);
  });
  return videos;
}

/** Rows whose mean is asked for. */
export interface MeanOptions {
  rows: readonly number[];
  /** Each row at length 1 first; a zero row stays zero. */
  unit: boolean;
  /** A factor for each of `rows`; the sum is still divided by their number. Default 1. */
  factors?: readonly number[] | undefined;
}

export function meanRow(values: Float32Array, dim: number, { rows, unit, factors }: MeanOptions): Float64Array {
  const mean = new Float64Array(dim);
  rows.forEach((row, at) => {
    const vector = values.subarray(row * dim, (row + 1) * dim);
    const norm = unit ? Math.sqrt(vector.reduce((sum, value) => sum + value ** 2, 0)) : 1;
    if (norm === 0) return;
    const scale = (factors?.[at] ?? 1) / (norm * rows.length);
    for (let k = 0; k < dim; k++) mean[k] = (mean[k] as number) + scale * (vector[k] as number);
  });
  return mean;
}
