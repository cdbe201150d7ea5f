import {
  add,
  cast,
  dispose,
  equal,
  floorDiv,
  mean,
  mul,
  randomNormal,
  type Scalar,
  scalar,
  type Tensor,
  tidy,
  type Variable,
  variable,
  zeros,
} from '@tensorflow/tfjs-core';
import { aSoftmaxLoss } from '../loss/a-softmax-loss.js';
import { adaCosLoss, adaCosScale } from '../loss/adacos-loss.js';
import { adaFaceLoss } from '../loss/adaface-loss.js';
import { annealedLambda } from '../loss/annealed-lambda.js';
import { arcFaceLoss } from '../loss/arcface-loss.js';
import { leastScale } from '../loss/bounds.js';
import { centerLoss } from '../loss/center-loss.js';
import { circleLoss } from '../loss/circle-loss.js';
import { contrastiveLoss } from '../loss/contrastive-loss.js';
import { cosFaceLoss } from '../loss/cosface-loss.js';
import { curricularFaceLoss } from '../loss/curricularface-loss.js';
import { lSoftmaxLoss } from '../loss/l-softmax-loss.js';
import { magFaceLoss } from '../loss/magface-loss.js';
import { marginSoftmax } from '../loss/margin-softmax.js';
import { marginSoftmaxLoss } from '../loss/margin-softmax-loss.js';
import { mvSoftmaxLoss } from '../loss/mv-softmax-loss.js';
import { normFaceLoss } from '../loss/normface-loss.js';
import { softmaxLoss } from '../loss/softmax-loss.js';
import { sphereFaceLoss } from '../loss/sphereface-loss.js';
import { sphereFace2Bias, sphereFace2Loss } from '../loss/sphereface2-loss.js';
import { subCenterArcFaceLoss } from '../loss/subcenter-arcface-loss.js';
import { tripletLoss } from '../loss/triplet-loss.js';
import { uniFaceLoss } from '../loss/uniface-loss.js';
import { CosFaceError, spell } from '../native/errors.js';
import type { HeadSettings, ResidentLossName } from './head-settings.js';
import type { LossName } from './loss-names.js';
import { seededRandom } from './random.js';
import { createResidentObjective } from './resident-objective.js';
import type { Parameter, SgdOptions } from './sgd.js';

/** A loss by its name, with its options beside it. */
export interface LossSettings {
  name: LossName;
  [option: string]: unknown;
}

export interface ObjectiveOptions {
  settings: LossSettings;
  /** C. */
  numClasses: number;
  /** D. */
  dim: number;
  seed: number | string;
  /** Where the centres live; left out: in variables. */
  head?: HeadSettings | undefined;
  /** Of a resident head's own optimiser. */
  optimizer?: SgdOptions | undefined;
}

/** Of the step that is under way. */
export interface StepNumbers {
  /** Counted from 0. */
  step: number;
  /** Its learning rate. */
  rate: number;
}

/** What is learned, but in no variable of TensorFlow.js. */
export interface KeptTensor {
  /** Unique, as a parameter's. */
  name: string;
  shape: number[];
  /** Else it is an optimiser's. */
  trained: boolean;
  read(): Float32Array;
  write(values: Float32Array): void;
}

/** What a training minimises: a loss, what of it is learned (the class centres), and what it carries along. */
export interface Objective {
  /** Centres first, where the loss has any. */
  readonly parameters: readonly Parameter[];
  /** What the objective moves itself, in `loss`. */
  readonly kept: readonly KeptTensor[];
  /** The options with the defaults that were chosen for this number of classes. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Moving averages and the like: plain numbers, changed in place by `loss`; to be saved with the weights. */
  readonly state: Record<string, number>;
  /** The mean loss of a batch; differentiable by embeddings [N, D] and parameters. */
  loss(embeddings: Tensor, labels: Tensor, numbers: StepNumbers): Scalar;
  /** How well the centres fit a batch, without margin; `undefined` where there are none. */
  fit(embeddings: Tensor, labels: Tensor): Promise<{ accuracy: number; targetCosine: number } | undefined>;
  dispose(): void;
}

interface Call {
  x: Tensor;
  /** Class centres. */
  w: Tensor;
  y: Tensor;
  /** As the loss function takes them. */
  options: Record<string, unknown>;
  /** The settings that are none of the loss function's. */
  own: Record<string, unknown>;
  extra: Record<string, Variable>;
  state: Record<string, number>;
  step: number;
}

interface Size {
  numClasses: number;
  dim: number;
  options: Record<string, unknown>;
}

interface Recipe {
  loss(call: Call): Tensor;
  /** Learns without class centres. */
  pairwise?: boolean;
  /** Centres for each class, unless `subCenters` says otherwise. */
  subCenters?: number;
  /** The scale comes from the paper's bound where none is given. */
  boundScale?: boolean;
  /** Names of settings that are not the loss function's own, with their defaults. */
  own?: Record<string, unknown>;
  /** What else is learned: start values by name. */
  extra?(size: Size): Record<string, { start: () => Tensor; rateFactor?: number }>;
  /** Start of what is carried along. */
  state?(size: Size): Record<string, number>;
}

/** The least posterior that the default scale lets a centre reach; 0.9999 gives s = 15.5 for 539 identities and 18.5 for 10,575. */
const POSTERIOR = 0.9999;

const bound = { boundScale: true } as const;
const annealed = { own: { annealing: {} } } as const;

/** lambda of the papers' schedule, unless `lambda` is given or `annealing` is false. */
function annealing({ options, own, step }: Call): { lambda?: number } {
  if (options['lambda'] !== undefined || own['annealing'] === false) return {};
  return { lambda: annealedLambda({ ...(own['annealing'] as object), step }) };
}

const factor = (own: Record<string, unknown>) => own['weight'] as number;

const RECIPES: Record<LossName, Recipe> = {
  softmax: {
    own: { bias: false },
    extra: ({ numClasses, options }) =>
      options['bias'] === true ? { bias: { start: () => zeros([numClasses]) } } : {},
    loss: ({ x, w, y, options, extra }) => softmaxLoss(x, w, y, { ...options, bias: extra['bias'] }),
  },
  normface: { ...bound, loss: ({ x, w, y, options }) => normFaceLoss(x, w, y, options) },
  cosface: { ...bound, loss: ({ x, w, y, options }) => cosFaceLoss(x, w, y, options) },
  arcface: { ...bound, loss: ({ x, w, y, options }) => arcFaceLoss(x, w, y, options) },
  margin: { ...bound, loss: ({ x, w, y, options }) => marginSoftmaxLoss(x, w, y, options) },
  sphereface: {
    ...{ ...bound, ...annealed },
    loss: (call) => sphereFaceLoss(call.x, call.w, call.y, { ...call.options, ...annealing(call) }),
  },
  'a-softmax': {
    ...annealed,
    loss: (call) => aSoftmaxLoss(call.x, call.w, call.y, { ...call.options, ...annealing(call) }),
  },
  'l-softmax': {
    ...annealed,
    loss: (call) => lSoftmaxLoss(call.x, call.w, call.y, { ...call.options, ...annealing(call) }),
  },
  adacos: {
    state: ({ numClasses }) => ({ scale: adaCosScale({ numClasses }) }),
    loss: ({ x, w, y, options, state }) => adaCosLoss(x, w, y, { ...options, state: state as { scale: number } }),
  },
  adaface: {
    ...bound,
    state: () => ({ mean: 20, deviation: 100 }),
    loss: ({ x, w, y, options, state }) =>
      adaFaceLoss(x, w, y, { ...options, state: state as { mean: number; deviation: number } }),
  },
  magface: { ...bound, loss: ({ x, w, y, options }) => magFaceLoss(x, w, y, options) },
  curricularface: {
    ...bound,
    state: () => ({ t: 0 }),
    loss: ({ x, w, y, options, state }) => curricularFaceLoss(x, w, y, { ...options, state: state as { t: number } }),
  },
  'mv-softmax': { ...bound, loss: ({ x, w, y, options }) => mvSoftmaxLoss(x, w, y, options) },
  'subcenter-arcface': {
    ...{ ...bound, subCenters: 3 },
    loss: ({ x, w, y, options }) => subCenterArcFaceLoss(x, w, y, options),
  },
  circle: { loss: ({ x, w, y, options }) => circleLoss(x, w, y, options) },
  sphereface2: {
    extra: ({ numClasses, options }) => {
      const start = (options['bias'] as number | undefined) ?? sphereFace2Bias({ ...options, numClasses });
      return { bias: { start: () => scalar(start) } };
    },
    loss: ({ x, w, y, options, extra }) => sphereFace2Loss(x, w, y, { ...options, bias: extra['bias'] }),
  },
  uniface: {
    ...bound,
    extra: ({ numClasses, options }) => {
      const start = (options['bias'] as number | undefined) ?? Math.log(10 * numClasses);
      return { bias: { start: () => scalar(start) } };
    },
    loss: ({ x, w, y, options, extra }) => uniFaceLoss(x, w, y, { ...options, bias: extra['bias'] }),
  },
  // As in the CosFace paper's table 2, beside softmax.
  center: {
    own: { weight: 0.003 },
    extra: ({ numClasses, dim, options }) => ({
      // The weight is not meant for the centres' own steps.
      'feature-centers': { start: () => zeros([numClasses, dim]), rateFactor: 1 / (options['weight'] as number) },
    }),
    loss: ({ x, w, y, options, own, extra }) =>
      add(
        softmaxLoss(x, w, y),
        mul(
          factor(own),
          centerLoss(x, extra['feature-centers'] as Tensor, y, { centerGradient: 'averaged', ...options }),
        ),
      ),
  },
  contrastive: {
    own: { weight: 1 },
    loss: ({ x, w, y, options, own }) => add(softmaxLoss(x, w, y), mul(factor(own), contrastiveLoss(x, y, options))),
  },
  triplet: { pairwise: true, loss: ({ x, y, options }) => tripletLoss(x, y, options) },
};

/**
 * A loss of the family with fresh centres, normal with standard deviation 1 / sqrt(D). Where a loss has a scale and none is
 * given, it is the paper's least scale for that many classes (`leastScale`, posterior 0.9999).
 *
 * @throws {CosFaceError} COSFACE_OPTION_RANGE, at the first loss for the options of the loss itself.
 * @example const objective = createObjective({ settings: { name: 'cosface', margin: 0.35 }, numClasses, dim, seed: 1 });
 */
export function createObjective({ settings, numClasses, dim, seed, head, optimizer }: ObjectiveOptions): Objective {
  const { name, ...given } = settings;
  const recipe: Recipe = RECIPES[name];
  const scale = recipe.boundScale && given['scale'] === undefined ? { scale: defaultScale(numClasses) } : {};
  const all: Record<string, unknown> = { ...recipe.own, ...scale, ...given };
  checkWeight(all);
  if (head?.resident) {
    const { momentum, weightDecay } = optimizer as SgdOptions;
    const start = startCenters(numClasses, dim, seed);
    const centers = start.dataSync() as Float32Array;
    start.dispose();
    const loss = name as ResidentLossName;
    return createResidentObjective({ loss, options: all, head, momentum, weightDecay, centers, numClasses, dim, seed });
  }
  const own = pick(all, (key) => key in (recipe.own ?? {}));
  // A learned bias is a variable; what is given is its start.
  const options = pick(all, (key) => !(key in (recipe.own ?? {})) && !(key === 'bias' && recipe.extra !== undefined));
  const subCenters = (all['subCenters'] as number | undefined) ?? recipe.subCenters ?? 1;
  const size: Size = { numClasses, dim, options: all };
  const centers = recipe.pairwise ? undefined : startCenters(numClasses * subCenters, dim, seed);
  const extra = Object.entries(recipe.extra?.(size) ?? {}).map(([key, { start, ...rest }]) => ({
    ...{ name: `head/${key}`, key, variable: tidy(() => variable(start())), decays: false },
    ...rest,
  }));
  const parameters: Parameter[] = [
    ...(centers ? [{ name: 'head/centers', variable: centers, decays: true }] : []),
    ...extra.map(({ key: _, ...parameter }) => parameter),
  ];
  const variables = Object.fromEntries(extra.map(({ key, variable: value }) => [key, value]));
  const state = recipe.state?.(size) ?? {};
  return {
    parameters,
    kept: [],
    options: all,
    state,
    loss: (x, y, { step }) =>
      recipe.loss({ x, w: centers as Tensor, y, options, own, extra: variables, state, step }) as Scalar,
    fit: async (x, y) => (centers ? fitOf(x, centers, y, subCenters) : undefined),
    dispose: () => dispose(parameters.map((parameter) => parameter.variable)),
  };
}

/**
 * Refuses options that the loss does not take, on a small problem, before anything long begins. Its samples are ignored, and it
 * has so many classes, that nothing is said of the problem itself, such as a scale below the bound.
 */
export function checkLoss(settings: LossSettings, head?: HeadSettings): void {
  const optimizer = { momentum: 0, weightDecay: 0 };
  const objective = createObjective({ settings, numClasses: 1000, dim: 4, seed: 0, head, optimizer });
  const ignored = (settings['ignoreLabel'] as number | undefined) ?? -1;
  tidy(() =>
    objective.loss(randomNormal([2, 4], 0, 1, 'float32', 1), cast([ignored, ignored], 'int32'), { step: 0, rate: 0 }),
  );
  objective.dispose();
}

function defaultScale(numClasses: number): number {
  return Math.max(1, Number(leastScale({ numClasses, posterior: POSTERIOR }).toFixed(2)));
}

function startCenters(rows: number, dim: number, seed: number | string): Variable {
  const number = 1 + Math.floor(seededRandom(`centers ${seed}`)() * (2 ** 31 - 2));
  return tidy(() => variable(randomNormal([rows, dim], 0, 1 / Math.sqrt(dim), 'float32', number)));
}

async function fitOf(x: Tensor, centers: Tensor, y: Tensor, subCenters: number) {
  const results = tidy(() => {
    const rows = subCenters === 1 ? y : mul(y, scalar(subCenters, 'int32'));
    const { prediction, targetCosine } = marginSoftmax(x, centers, rows, { reduction: 'none' });
    const nearest = subCenters === 1 ? prediction : floorDiv(prediction, scalar(subCenters, 'int32'));
    return [mean(cast(equal(nearest, y), 'float32')), mean(targetCosine)] as const;
  });
  const [accuracy, targetCosine] = await Promise.all(results.map(async (one) => (await one.data())[0] as number));
  dispose([...results]);
  return { accuracy: accuracy as number, targetCosine: targetCosine as number };
}

function checkWeight({ weight }: Record<string, unknown>): void {
  if (weight === undefined || (typeof weight === 'number' && weight > 0 && Number.isFinite(weight))) return;
  throw new CosFaceError('COSFACE_OPTION_RANGE', `weight is ${spell(weight)}, expected a finite number above 0.`, {
    argument: 'loss.weight',
  });
}

function pick(values: Record<string, unknown>, keep: (key: string) => boolean): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([key]) => keep(key)));
}
