import { customGrad, type GradSaveFunc, mul, type Scalar, scalar, type Tensor, tensor } from '@tensorflow/tfjs-core';
import { type HeadEvaluateOptions, ResidentHead } from '../native/resident-head.js';
import { sampleClasses } from '../native/sample-classes.js';
import { type HeadSettings, RESIDENT_LOSSES, type ResidentLossName } from './head-settings.js';
import type { KeptTensor, Objective, StepNumbers } from './objective.js';

export interface ResidentObjectiveOptions {
  loss: ResidentLossName;
  /** As the loss's function takes them, the scale among them. */
  options: Readonly<Record<string, unknown>>;
  head: HeadSettings;
  momentum: number;
  weightDecay: number;
  /** w, [C, D]. */
  centers: Float32Array;
  numClasses: number;
  dim: number;
  seed: number | string;
}

/**
 * A loss whose class centres and their momentum live in native memory: they move, at the step's learning rate, in the very pass that
 * gives the gradient by the embeddings, and their own gradient is never stored. With a sample rate below 1 a step goes over
 * the classes of its labels and a seeded sample of the others (PartialFC).
 *
 * @throws {CosFaceError} COSFACE_NO_BINARY; what ResidentHead throws.
 */
export function createResidentObjective(asked: ResidentObjectiveOptions): Objective {
  const { options, head, momentum, weightDecay, centers, numClasses, dim, seed } = asked;
  const optimizer = { kind: 'sgd', momentum } as const;
  const resident = new ResidentHead({ classes: numClasses, dim, weights: centers, optimizer });
  const call = nativeOptions(asked);
  const drawn = (labels: Int32Array, step: number) =>
    head.sampleRate === 1
      ? undefined
      : sampleClasses({
          labels,
          numClasses,
          rate: head.sampleRate,
          seed: numberOf(seed),
          step,
          ignoreLabel: call.ignoreLabel,
        });

  const move = (embeddings: Tensor, target: Tensor, { step, rate }: StepNumbers) => {
    const labels = target.dataSync() as Int32Array;
    return resident.step({
      ...{ ...call, embeddings: embeddings.dataSync() as Float32Array, labels, classIds: drawn(labels, step) },
      ...{ learningRate: rate, weightDecay },
    });
  };

  return {
    parameters: [],
    kept: resident.parts.map((part) => keptPart(resident, part as 'weights' | 'velocity')),
    options,
    state: {},
    loss: (x, y, numbers) =>
      customGrad((...args: Array<Tensor | GradSaveFunc>) => {
        const [embeddings, save] = args as [Tensor, GradSaveFunc];
        const { reducedLoss, dEmbeddings } = move(embeddings, y, numbers);
        save([tensor(dEmbeddings, embeddings.shape as [number, number])]);
        const gradFunc = (dy: Tensor, [gradient]: Tensor[]) => mul<Tensor>(gradient as Tensor, dy);
        return { value: scalar(reducedLoss), gradFunc };
      })(x) as Scalar,
    fit: async (x, y) => {
      const embeddings = (await x.data()) as Float32Array;
      const { accuracy, targetCosine } = resident.evaluate({ embeddings, labels: (await y.data()) as Int32Array });
      return { accuracy, targetCosine: targetCosine.reduce((sum, cosine) => sum + cosine, 0) / targetCosine.length };
    },
    dispose: () => resident.dispose(),
  };
}

function keptPart(head: ResidentHead, part: 'weights' | 'velocity'): KeptTensor {
  return {
    name: part === 'weights' ? 'head/centers' : 'velocity/head/centers',
    trained: part === 'weights',
    shape: [head.classes, head.dim],
    read: () => {
      const values = new Float32Array(head.classes * head.dim);
      head.readPart(part, 0, values);
      return values;
    },
    write: (values) => head.writePart(part, 0, values),
  };
}

/** `margin` is each loss's own; the rest has the same names. */
function nativeOptions({
  loss,
  options,
}: ResidentObjectiveOptions): Omit<HeadEvaluateOptions, 'embeddings' | 'labels'> {
  const { margin, ...rest } = options;
  const { term, margin: usual } = RESIDENT_LOSSES[loss];
  return term === null ? rest : { ...rest, [term]: margin ?? usual };
}

/** sampleClasses takes numbers alone. */
function numberOf(seed: number | string): number {
  return typeof seed === 'number' ? seed : 0;
}
