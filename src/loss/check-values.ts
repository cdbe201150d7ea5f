import { all, cast, equal, greaterEqual, isFinite, less, logicalAnd, logicalOr, stack, type Tensor } from '@tensorflow/tfjs-core';
import type { MarginSoftmaxGradAttrs, MarginTerm } from '../kernels/kernel-names.js';
import type { MarginSoftmaxTensors } from '../kernels/margin-softmax-gradient.js';
import { CosFaceError } from '../native/errors.js';
import { M1_RANGE, type Range } from './check-options.js';

/** Per-sample margins may be negative, as an adaptive margin can be; common ones may not. */
const SAMPLE_MARGIN_RANGES: Record<MarginTerm, Range> = {
  m1: M1_RANGE,
  m2: { holds: (v) => Math.abs(v) <= Math.fround(Math.PI), text: 'an angle in radians in [-pi, pi]' },
  m3: { holds: (v) => Math.abs(v) <= 2, text: 'a number in [-2, 2]' },
};

/**
 * The checks of the values inside the tensors that the native kernel makes too, for the composed ops. One small
 * read-back tells whether all is well; only then, if not, is the place looked for.
 */
export function checkValues(tensors: MarginSoftmaxTensors, attrs: MarginSoftmaxGradAttrs): void {
  const { embeddings, weights, labels, sampleWeights, sampleMargins } = tensors;
  const classes = weights.shape[0] as number;
  const floats = { embeddings, weights, ...(sampleWeights && { sampleWeights }) };
  const verdicts = Object.values(floats).map((tensor) => all(isFinite(tensor)));
  verdicts.push(all(validLabels(labels, classes, attrs.ignoreLabel)));
  const fine = all(stack(verdicts.map((verdict) => cast(verdict, 'bool')))).dataSync()[0];
  if (fine && !sampleMargins) return;

  for (const [name, tensor] of Object.entries(floats)) {
    if (!fine) refuse(name, tensor, Number.isFinite, notFinite(name, tensor));
  }
  if (!fine) refuse('labels', labels, (y) => y === attrs.ignoreLabel || (y >= 0 && y < classes), labelRange(weights, attrs));
  if (sampleMargins) {
    const range = SAMPLE_MARGIN_RANGES[attrs.sampleMarginTerm];
    refuse('sampleMargins', sampleMargins, range.holds, {
      code: 'COSFACE_MARGIN_RANGE',
      requirement: `expected ${range.text} because it replaces ${attrs.sampleMarginTerm}.`,
    });
  }
}

/** [N] bool: a class index or the ignored label. */
export function validLabels(labels: Tensor, classes: number, ignoreLabel: number): Tensor {
  const inRange = logicalAnd(greaterEqual(labels, 0), less(labels, classes));
  return logicalOr(inRange, equal(labels, ignoreLabel));
}

interface Refusal {
  code: string;
  requirement: string;
}

function notFinite(name: string, tensor: Tensor): Refusal {
  return {
    code: 'COSFACE_NOT_FINITE',
    requirement: `expected finite numbers only (${name} has shape [${tensor.shape}]). Look for a learning rate that is too high or a division by zero.`,
  };
}

function labelRange(weights: Tensor, { ignoreLabel }: MarginSoftmaxGradAttrs): Refusal {
  return {
    code: 'COSFACE_LABEL_RANGE',
    requirement:
      `expected an integer in [0, ${weights.shape[0]}) or ignoreLabel (${ignoreLabel}), because weights has shape ` +
      `[${weights.shape}]. Labels are zero-based; subtract 1 if the dataset counts from 1.`,
  };
}

/** Throws at the first value that does not hold. */
function refuse(name: string, tensor: Tensor, holds: (value: number) => boolean, { code, requirement }: Refusal): void {
  const values = tensor.dataSync();
  const index = values.findIndex((value) => !holds(value));
  if (index < 0) return;
  throw new CosFaceError(code, `${name}[${index}] is ${values[index]}, ${requirement}`, { argument: name, index });
}
