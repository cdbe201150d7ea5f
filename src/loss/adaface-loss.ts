import { dispose, type Tensor, tensor1d, tidy } from '@tensorflow/tfjs-core';
import { offTape } from '../kernels/not-differentiable.js';
import {
  checkCommonOptions,
  checkNumber,
  checkOptionNames,
  NONNEGATIVE_RANGE,
  optionNames,
  POSITIVE_RANGE,
  type Range,
} from './check-options.js';
import { runLoss } from './run-margin-softmax.js';
import { batchStatistics, mean } from './target-cosines.js';
import type { Labels, LossOptions } from './types.js';
import { rowNorms } from './unit-rows.js';

const NAMES = new Set(
  [...optionNames('margin', 'concentration', 'state', 'momentum')].filter((n) => n !== 'sampleMargins'),
);
const MARGIN_RANGE: Range = { holds: (v) => v >= 0 && v <= 1, text: 'a number in [0, 1]' };
const MOMENTUM_RANGE: Range = { holds: (v) => v > 0 && v <= 1, text: 'a number in (0, 1]' };

/** What AdaFace carries from step to step: moving averages over the feature norms. Plain data: save it with the weights. */
export interface AdaFaceState {
  /** Start with 20. */
  mean: number;
  /** Standard deviation. Start with 100. */
  deviation: number;
}

export interface AdaFaceLossOptions extends Omit<LossOptions, 'sampleMargins'> {
  /** m, in [0, 1]. Default 0.4, the paper's. */
  margin?: number | undefined;
  /** h: norms this many standard deviations apart from the mean have margins 1 apart. Default 0.333, the paper's. */
  concentration?: number | undefined;
  /** Updated by each call, before its values are used. Default: the batch's own mean and deviation. */
  state?: AdaFaceState | undefined;
  /** How much a batch moves the averages, in (0, 1]. Default 0.01; the paper's 0.99 is what it keeps. */
  momentum?: number | undefined;
}

/**
 * AdaFace: margins that follow the quality of a sample, which its feature norm stands for.
 *
 *   q_i  = clip(h (|x_i| - mean) / deviation, -1, 1)
 *   z_iy = s (psi(t - m q_i) - (m q_i + m)),   z_ic = s cos_ic
 *
 * A sample of high quality gets a margin on the cosine, which stresses hard samples; one of low quality gets one on the
 * angle, which lets hard samples go. q is a constant in the gradient. Where t - m q is below 0 psi goes on rising; the
 * authors' code clips the angle there, which stops the gradient of good samples that are near their centre.
 *
 * Arguments, result and errors as `cosFaceLoss`; `sampleMargins` are what this loss makes.
 *
 * Source: Kim et al., AdaFace, CVPR 2022, eq. (13) to (17). As the authors' code: norms within [0.001, 100], deviation
 * plus 0.001, the sample deviation (N - 1).
 * @example
 * const state = { mean: 20, deviation: 100 };
 * const loss = adaFaceLoss(x, w, y, { state });
 */
export function adaFaceLoss(
  embeddings: Tensor,
  weights: Tensor,
  labels: Labels,
  options: AdaFaceLossOptions = {},
): Tensor {
  checkOptionNames(options, NAMES);
  const { ignoreLabel } = checkCommonOptions(options);
  const margin = checkNumber('margin', options.margin ?? 0.4, MARGIN_RANGE);
  const concentration = checkNumber('concentration', options.concentration ?? 0.333, POSITIVE_RANGE);
  const momentum = checkNumber('momentum', options.momentum ?? 0.01, MOMENTUM_RANGE);
  const { state } = options;
  if (state) checkState(state);
  const counted = batchStatistics(embeddings, weights, labels, ignoreLabel).norms.map(clipNorm);
  const next = movedState(counted, state, momentum);
  const norms = offTape(() => tidy(() => rowNorms(embeddings).dataSync()));
  const quality = Array.from(norms, (norm) => {
    const spread = (clipNorm(norm) - next.mean) / (next.deviation + 1e-3);
    return Math.min(1, Math.max(-1, concentration * spread));
  });
  // `|| 0` for what is not a number: the loss refuses the embeddings that it came from.
  const margins = {
    m2: tensor1d(quality.map((q) => -margin * q || 0)),
    m3: tensor1d(quality.map((q) => margin * q + margin || 0)),
  };
  try {
    const loss = runLoss({
      ...{ embeddings, weights, labels, options: { ...options, sampleMargins: margins } },
      margins: { m1: 1, m2: 0, m3: 0, sampleMarginTerm: 'm3' },
    });
    if (state) Object.assign(state, next);
    return loss;
  } finally {
    dispose([margins.m2, margins.m3]);
  }
}

function checkState(state: AdaFaceState): void {
  checkNumber('state.mean', state.mean, NONNEGATIVE_RANGE);
  checkNumber('state.deviation', state.deviation, NONNEGATIVE_RANGE);
}

function clipNorm(norm: number): number {
  return Math.min(100, Math.max(1e-3, norm));
}

function movedState(norms: number[], state: AdaFaceState | undefined, momentum: number): AdaFaceState {
  if (norms.length === 0) return state ?? { mean: 0, deviation: 0 };
  const now = mean(norms);
  const squares = norms.reduce((total, norm) => total + (norm - now) ** 2, 0);
  const deviation = norms.length > 1 ? Math.sqrt(squares / (norms.length - 1)) : 0;
  if (!state) return { mean: now, deviation };
  return {
    mean: momentum * now + (1 - momentum) * state.mean,
    deviation: momentum * deviation + (1 - momentum) * state.deviation,
  };
}
