import { evaluateIjb } from './evaluate-ijb.js';
import { evaluateLfw } from './evaluate-lfw.js';
import { evaluateMegaFace } from './evaluate-megaface.js';
import { evaluatePairs } from './evaluate-pairs.js';
import { evaluateYtf } from './evaluate-ytf.js';
import type { Evaluation } from './evaluation.js';
import type { EvaluateRequest, Protocol } from './request.js';

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
 * COSFACE_NOT_FINITE, with file and line; COSFACE_OPTION_RANGE; for megaface also what topK throws.
 */
export function evaluate(request: EvaluateRequest): Evaluation {
  return EVALUATORS[request.protocol](request);
}
