import type { Tensor } from '@tensorflow/tfjs-core';
import { aSoftmaxCall } from '../loss/a-softmax-loss.js';
import { arcFaceCall } from '../loss/arcface-loss.js';
import {
  type CheckedOptions,
  checkBoolean,
  checkChoice,
  checkCommonOptions,
  checkNumber,
  M3_RANGE,
} from '../loss/check-options.js';
import { circleCall } from '../loss/circle-loss.js';
import { familyCall } from '../loss/family-call.js';
import { checkMarginOptions } from '../loss/margin-softmax.js';
import { mvSoftmaxCall } from '../loss/mv-softmax-loss.js';
import type { LossCall, MarginSoftmaxCallArguments } from '../loss/run-margin-softmax.js';
import { softmaxCall } from '../loss/softmax-loss.js';
import { sphereFaceCall } from '../loss/sphereface-loss.js';
import { type BinaryCall, sphereFace2Call } from '../loss/sphereface2-loss.js';
import type { MarginSoftmaxOptions, Margins } from '../loss/types.js';
import { uniFaceCall } from '../loss/uniface-loss.js';
import { CosFaceError } from '../native/errors.js';

/** Options of a loss, by their names in its function; whose they are not is said by that function's own check. */
export type HeadLossOptions = Record<string, unknown>;

type AnyCall = LossCall<HeadLossOptions>;

/** The losses that a head can have; docs/losses.md has them all. */
export type HeadLossName =
  | 'cosface'
  | 'arcface'
  | 'sphereface'
  | 'subcenter-arcface'
  | 'softmax'
  | 'l-softmax'
  | 'a-softmax'
  | 'mv-softmax'
  | 'circle'
  | 'sphereface2'
  | 'uniface';

type LossRun = (call: AnyCall) => MarginSoftmaxCallArguments | BinaryCall;

/** What the function of each loss runs. */
const CALLS: Record<HeadLossName, LossRun> = {
  cosface: marginCall,
  arcface: arcFaceCall,
  sphereface: sphereFaceCall,
  'subcenter-arcface': (call) => arcFaceCall({ ...call, options: { subCenters: 3, ...call.options } }),
  softmax: softmaxCall,
  'l-softmax': (call) => aSoftmaxCall(call, false),
  'a-softmax': (call) => aSoftmaxCall(call),
  'mv-softmax': mvSoftmaxCall,
  circle: circleCall,
  sphereface2: sphereFace2Call,
  uniface: uniFaceCall,
};

/** The loss of a head: what weights it needs, and its call. */
export interface HeadLoss {
  name: HeadLossName;
  /** As they were given. */
  given: HeadLossOptions;
  options: CheckedOptions;
  margins: Margins;
  /** K. */
  subCenters: number;
  /** Of the bias, and where it starts; undefined where there is none. */
  bias: { shape: number[]; start: number } | undefined;
  /** `bias` is there where the loss has one. */
  call(inputs: Omit<AnyCall, 'options'>, bias: Tensor | undefined): MarginSoftmaxCallArguments;
}

/**
 * Checks name and options of a head's loss.
 *
 * @throws {CosFaceError} COSFACE_OPTION_RANGE for an option that the loss has not, or out of range.
 */
export function headLoss(
  query: { name: HeadLossName; useBias: boolean; options: HeadLossOptions },
  numClasses: number,
): HeadLoss {
  const name = checkChoice('loss', query.name, Object.keys(CALLS) as HeadLossName[]);
  const useBias = checkBoolean('useBias', query.useBias);
  const options = { ...query.options, reduction: 'none' };
  const run = CALLS[name];
  const call: HeadLoss['call'] = (inputs, bias) =>
    run({ ...inputs, options: bias ? { ...options, bias } : options }) as MarginSoftmaxCallArguments;
  // The options are looked at, the tensors are not, but for the number of classes.
  const none = { shape: [numClasses, 1] } as Tensor;
  const checked = run({
    embeddings: none,
    weights: none,
    labels: [],
    options: useBias ? { ...options, bias: 0 } : options,
  });
  const start = typeof checked.bias === 'number' ? checked.bias : 0;
  const binary = checked.family?.binary != null;
  return {
    ...{ name, given: query.options, call, margins: checked.margins },
    options: checkCommonOptions(checked.options, checked.defaultScale),
    subCenters: checked.family?.subCenters ?? 1,
    bias: binary ? { shape: [], start } : useBias ? { shape: [numClasses], start: 0 } : undefined,
  };
}

/** The combined margins; `margin` is another name for `m3`. */
function marginCall({ options, ...tensors }: AnyCall): MarginSoftmaxCallArguments {
  const { margin, ...others } = options;
  const { m1, m2, m3 } = others;
  if (margin !== undefined && m3 !== undefined) {
    throw new CosFaceError('COSFACE_OPTION_RANGE', 'margin and m3 are the same margin; give one of them.', {
      argument: 'margin',
    });
  }
  if (margin !== undefined) checkNumber('margin', margin as number, M3_RANGE);
  const byDefault = m1 !== undefined || m2 !== undefined ? 0 : 0.35;
  const own: MarginSoftmaxOptions = { ...others, m3: (margin ?? m3 ?? byDefault) as number };
  return familyCall({ ...tensors, options: own }, checkMarginOptions(own));
}
