import { dispose, type Tensor } from '@tensorflow/tfjs-core';
import { offTape } from '../kernels/not-differentiable.js';
import {
  COUNT_RANGE,
  checkCommonOptions,
  checkNumber,
  checkOptionNames,
  optionNames,
  SCALE_RANGE,
} from './check-options.js';
import { runLoss, runMarginSoftmax } from './run-margin-softmax.js';
import { mean } from './target-cosines.js';
import type { Labels, LossOptions } from './types.js';

const NAMES = optionNames('state');
const NO_MARGIN = { m1: 1, m2: 0, m3: 0, sampleMarginTerm: 'm3' } as const;

/** What dynamic AdaCos carries from step to step. Plain data: save it with the weights. */
export interface AdaCosState {
  /** s of the last step. Start with `adaCosScale`. */
  scale: number;
}

export interface AdaCosLossOptions extends Omit<LossOptions, 'scale'> {
  /** Makes s dynamic: each call first updates it. Default: fixed AdaCos, s = `adaCosScale`. */
  state?: AdaCosState | undefined;
}

/**
 * The fixed scale of AdaCos, sqrt(2) ln(C - 1): there the probability of the own class bends most at an angle of pi / 4.
 *
 * @param query.numClasses - C, at least 1; one and two classes get the scale of three.
 * @throws {CosFaceError} COSFACE_OPTION_RANGE for a value out of range or missing.
 *
 * Source: Zhang et al., AdaCos, CVPR 2019, eq. (11).
 * @example const loss = cosFaceLoss(x, w, y, { scale: adaCosScale({ numClasses: 10575 }) }); // 13.1
 */
export function adaCosScale(query: { numClasses: number }): number {
  const numClasses = checkNumber('numClasses', query?.numClasses, COUNT_RANGE);
  return Math.SQRT2 * Math.log(Math.max(numClasses, 3) - 1);
}

/**
 * AdaCos: NormFace, the softmax of scaled cosines, whose scale follows the training.
 *
 *   B    = mean_i sum_{c != y} e^{s cos_ic}      with the last step's s
 *   s    = ln B / cos(min(pi / 4, median_i t_iy))
 *
 * s is a constant in the gradient. With `state` one more forward pass is made. Arguments, result and errors as
 * `cosFaceLoss`, without `scale`.
 *
 * Source: Zhang et al., AdaCos, CVPR 2019, eq. (12) to (16). The median of an even number of angles is the mean of the
 * middle two; public versions take the lower one.
 * @example
 * const state = { scale: adaCosScale({ numClasses }) };
 * const loss = adaCosLoss(x, w, y, { state });
 */
export function adaCosLoss(
  embeddings: Tensor,
  weights: Tensor,
  labels: Labels,
  options: AdaCosLossOptions = {},
): Tensor {
  checkOptionNames(options, NAMES);
  const { state, ...common } = options;
  // From JavaScript weights may be anything; its own check comes later.
  const before = state
    ? checkNumber('state.scale', state.scale, SCALE_RANGE)
    : adaCosScale({ numClasses: Math.max(1, weights?.shape?.[0] ?? 1) });
  const call = { embeddings, weights, labels, margins: NO_MARGIN };
  const scale = state ? nextScale(call, common, before) : before;
  const loss = runLoss({ ...call, options: { ...common, scale } });
  if (state) state.scale = scale;
  return loss;
}

type Call = Pick<Parameters<typeof runMarginSoftmax>[0], 'embeddings' | 'weights' | 'labels' | 'margins'>;

function nextScale(call: Call, { ignoreLabel, precision }: LossOptions, scale: number): number {
  const options = { ignoreLabel, precision, scale, reduction: 'none' as const };
  const { ignoreLabel: ignored } = checkCommonOptions(options);
  const { loss, targetCosine, prediction } = offTape(() => runMarginSoftmax({ ...call, options }));
  const losses = loss.dataSync();
  const cosines = targetCosine.dataSync();
  const labels = call.labels as { dataSync?(): ArrayLike<number> } & ArrayLike<number>;
  const y = labels.dataSync ? labels.dataSync() : labels;
  dispose([loss, targetCosine, prediction]);
  const counted = Array.from(losses.keys()).filter((i) => y[i] !== ignored);
  // loss = log(1 + S / e^(s cos_y)), so S, the sum of the others, is (e^loss - 1) e^(s cos_y).
  const logSums = counted.map((i) => Math.log(Math.expm1(losses[i] as number)) + scale * (cosines[i] as number));
  const top = Math.max(...logSums);
  if (!Number.isFinite(top)) return scale;
  const logMean = top + Math.log(mean(logSums.map((value) => Math.exp(value - top))));
  const angle = median(counted.map((i) => Math.acos(Math.min(1, Math.max(-1, cosines[i] as number)))));
  const next = logMean / Math.cos(Math.min(Math.PI / 4, angle));
  return SCALE_RANGE.holds(next) ? next : scale;
}

function median(values: number[]): number {
  const sorted = values.sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2;
}
