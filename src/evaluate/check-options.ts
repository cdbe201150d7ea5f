import { z } from 'zod';
import { CosFaceError } from '../native/errors.js';
import { type EvaluateOptions, type EvaluateRequest, MISSING_RULES, PROTOCOLS, VARIANTS } from './request.js';

const whole = z.int().min(1);
const rate = z.number().gt(0).max(1);

const PAIR = z.object({ left: z.string(), right: z.string(), same: z.boolean(), fold: z.int().min(0).optional() });
const PAIRS = z.union([z.string(), z.object({ source: z.string(), pairs: z.array(PAIR) })], {
  error: 'expected the name of a list, or { source, pairs: [{ left, right, same }] } with names and a boolean',
});

const CHOICES = z.looseObject({
  protocol: z.enum(PROTOCOLS),
  pairs: PAIRS.optional(),
  missing: z.enum(MISSING_RULES).default('error'),
  far: z.array(rate).min(1).readonly().optional(),
  confidence: z.number().gt(0).lt(1).default(0.95),
  variant: z.enum(VARIANTS).default('exact'),
  counts: z.array(whole).min(1).readonly().optional(),
  ranks: whole.default(100),
  histogram: z.boolean().default(false),
});

/**
 * Fills in the defaults.
 *
 * @throws {CosFaceError} COSFACE_OPTION_RANGE with the option's name and what was expected.
 */
export function checkOptions(options: EvaluateOptions): EvaluateRequest {
  const { success, data, error } = CHOICES.safeParse(options);
  if (success) return data as unknown as EvaluateRequest;
  const [issue] = error.issues;
  const argument = String(issue?.path[0] ?? 'options');
  throw new CosFaceError('COSFACE_OPTION_RANGE', `${argument}: ${issue?.message}.`, { argument });
}
