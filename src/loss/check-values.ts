import {
  all,
  cast,
  equal,
  isFinite as finite,
  greaterEqual,
  less,
  logicalAnd,
  logicalOr,
  scalar,
  stack,
  type Tensor,
} from '@tensorflow/tfjs-core';
import type { MarginTerm } from '../kernels/kernel-names.js';
import { CosFaceError } from '../native/errors.js';
import { SAMPLE_MARGIN_RANGES } from './check-options.js';

/** Whose values are checked. */
export interface CheckedValues {
  /** Must be finite. */
  floats: Record<string, Tensor>;
  labels: Tensor;
  ignoreLabel: number;
  /** C. */
  classes: number;
  /** What the labels must fit, for the error. */
  weights: Tensor;
  /** Margins for each sample, and which common one each replaces. */
  margins: Array<{ term: MarginTerm; values: Tensor }>;
}

/**
 * The checks of the values inside the tensors that the native kernel makes too, for the composed ops. One small
 * read-back tells whether all is well; only then, if not, is the place looked for. Called inside a tidy.
 */
export function checkValues({ floats, labels, ignoreLabel, classes, weights, margins }: CheckedValues): void {
  const verdicts = Object.values(floats).map((tensor) => all(finite(tensor)));
  verdicts.push(all(validLabels(labels, classes, ignoreLabel)));
  const fine = all(stack(verdicts.map((verdict) => cast(verdict, 'bool')))).dataSync()[0];
  if (!fine) {
    for (const [name, tensor] of Object.entries(floats)) refuse(name, tensor, Number.isFinite, NOT_FINITE);
    const allowed = (y: number) => y === ignoreLabel || (y >= 0 && y < classes);
    refuse('labels', labels, allowed, labelRange(weights, classes, ignoreLabel));
  }
  for (const { term, values } of margins) {
    const range = SAMPLE_MARGIN_RANGES[term];
    refuse('sampleMargins', values, range.holds, {
      code: 'COSFACE_MARGIN_RANGE',
      requirement: `expected ${range.text} because it replaces ${term}.`,
    });
  }
}

/** [N] bool: a class index or the ignored label. Compared as int32: float32 skips whole numbers above 2^24. */
function validLabels(labels: Tensor, classes: number, ignoreLabel: number): Tensor {
  const inRange = logicalAnd(greaterEqual(labels, scalar(0, 'int32')), less(labels, scalar(classes, 'int32')));
  return logicalOr(inRange, equal(labels, scalar(ignoreLabel, 'int32')));
}

interface Refusal {
  code: string;
  requirement: string;
}

const NOT_FINITE: Refusal = {
  code: 'COSFACE_NOT_FINITE',
  requirement: 'expected a finite number. Check the data and, in training, the learning rate.',
};

function labelRange(weights: Tensor, classes: number, ignoreLabel: number): Refusal {
  return {
    code: 'COSFACE_LABEL_RANGE',
    requirement:
      `expected a whole number in [0, ${classes}) because weights has shape [${weights.shape}], or ` +
      `${ignoreLabel} to ignore the sample. Labels count from zero: subtract 1 if the data set counts from one.`,
  };
}

/** Throws COSFACE_NOT_FINITE at the first value that is NaN or infinite. */
export function refuseNotFinite(name: string, tensor: Tensor): void {
  refuse(name, tensor, Number.isFinite, NOT_FINITE);
}

/** Throws at the first value that does not hold. */
function refuse(name: string, tensor: Tensor, holds: (value: number) => boolean, { code, requirement }: Refusal): void {
  const values = tensor.dataSync();
  const index = values.findIndex((value) => !holds(value));
  if (index < 0) return;
  const columns = tensor.shape[1];
  const place = columns === undefined ? index : `${Math.floor(index / columns)}, ${index % columns}`;
  throw new CosFaceError(code, `${name}[${place}] is ${values[index]}, ${requirement}`, { argument: name, index });
}
