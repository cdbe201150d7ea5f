import { checkOptions } from './check-options.js';
import { evaluateIjb } from './evaluate-ijb.js';
import { evaluateLfw } from './evaluate-lfw.js';
import { evaluateMegaFace } from './evaluate-megaface.js';
import { evaluatePairs } from './evaluate-pairs.js';
import { evaluateYtf } from './evaluate-ytf.js';
import type { Evaluation, EvaluationOf } from './evaluation.js';
import type { EvaluateOptions, EvaluateRequest, Protocol } from './request.js';

const EVALUATORS: Readonly<Record<Protocol, (request: EvaluateRequest) => Evaluation>> = {
  lfw: evaluateLfw,
  ytf: evaluateYtf,
  megaface: evaluateMegaFace,
  ijb: evaluateIjb,
  pairs: evaluatePairs,
};

/**
 * Scores the features of any model by a protocol. The same files give the same figures, bit for bit, on one machine
 * and with any number of threads.
 *
 * @throws {CosFaceError} COSFACE_FILE, COSFACE_DATA, COSFACE_DUPLICATE_NAME, COSFACE_MISSING_FEATURE or
 * COSFACE_NOT_FINITE, with file and line; COSFACE_OPTION_RANGE; COSFACE_SHAPE for features in memory; for megaface also
 * what topK throws.
 *
 * @example
 * const features = { values: Float32Array.of(1, 0, 1, 0.1, 0, 1), dim: 2, names: ['Ann/1.jpg', 'Ann/2.jpg', 'Bob/1.jpg'] };
 * const { auc, eer, tarAtFar } = evaluate({ protocol: 'pairs', features, pairs: 'pairs.txt' });
 */
export function evaluate<P extends Protocol>(options: EvaluateOptions & { protocol: P }): EvaluationOf<P> {
  const request = checkOptions(options);
  return EVALUATORS[request.protocol](request) as EvaluationOf<P>;
}
