import type { Tensor } from '@tensorflow/tfjs-core';
import { type ArcFaceLossOptions, arcFaceLoss } from './arcface-loss.js';
import type { Labels } from './types.js';

export type SubCenterArcFaceLossOptions = ArcFaceLossOptions;

/**
 * Sub-centre ArcFace: K centres for each class, of which the nearest counts, so that noise gathers at centres of its own.
 *
 *   cos_ic = max_k cos(x_i, w_(c,k)),   then as `arcFaceLoss`
 *
 * @param embeddings - x, [N, D] float32.
 * @param weights - w, [C K, D] float32; rows c K ... c K + K - 1 are the centres of class c. Only the nearest one gets a
 * gradient, the first on a tie.
 * @param labels - y, [N] int32 tensor or array, each in [0, C) or `ignoreLabel`.
 * @param options - `subCenters` (3), `margin` (0.5) and the rest as in `arcFaceLoss`.
 * @returns As `cosFaceLoss`.
 * @throws {CosFaceError} COSFACE_SHAPE if the rows of weights are no multiple of `subCenters`; else as `cosFaceLoss`.
 *
 * Source: Deng et al., Sub-center ArcFace, ECCV 2020, eq. (3), with its K = 3.
 * @example
 * const loss = subCenterArcFaceLoss(x, w, y, { subCenters: 3 });
 */
export function subCenterArcFaceLoss(
  embeddings: Tensor,
  weights: Tensor,
  labels: Labels,
  options: SubCenterArcFaceLossOptions = {},
): Tensor {
  return arcFaceLoss(embeddings, weights, labels, { ...options, subCenters: options.subCenters ?? 3 });
}
