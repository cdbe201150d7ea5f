import { type AdamOptimizer, dispose, train as optimizers, type Tensor, tensor, tensor2d } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { digitInputs, INPUT_SIZE, type WarpRange } from '../../data/digit-inputs.js';
import type { LabelledImages } from '../../data/digit-split.js';
import { type Classifier, classifier, type Objective } from '../../models/classifier.js';
import { digitEmbedder } from '../../models/digit-embedder.js';
import { type Random, seededRandom } from '../../train/random.js';
import { cosineSchedule } from '../../train/schedule.js';
import { type StepReport, train, trainingSteps } from '../../train/train.js';
import type { DemoSettings } from './settings.js';

/** What a trained net is, apart from its tensors: a place to go on from. */
export interface Snapshot {
  /** Of the embedder's layers, in their order. */
  weights: Array<{ values: Float32Array; shape: number[] }>;
  centres: Float32Array;
}

export interface Lesson {
  objective: Objective;
  train: LabelledImages;
  numClasses: number;
  dim: number;
  epochs: number;
  /** The peak. */
  learningRate: number;
  /** How training images are varied. */
  warp: WarpRange;
  /** Tells the trainings of a run apart; together with the run's seed it decides every random number. */
  name: string;
  /** Where to start. Default: at random. */
  start?: Snapshot;
}

/** A trained net. Ask it what there is to know, then dispose it. */
export interface Learnt {
  /** Row-major [N, dim]. */
  embeddings(images: readonly Float32Array[]): Float32Array;
  /** The share of images whose class is the likeliest one. */
  accuracy(samples: LabelledImages): number;
  /** Row-major [C, dim]. */
  centres(): Float32Array;
  snapshot(): Snapshot;
  dispose(): void;
}

const WARM_UP_STEPS = 50;

/** Steps that `learn` will take, for a progress bar. */
export function lessonSteps(lesson: Pick<Lesson, 'train' | 'epochs'>, { batchSize }: DemoSettings): number {
  return trainingSteps({ size: lesson.train.images.length, batchSize, epochs: lesson.epochs });
}

/** Trains a digit embedder by one objective. */
export async function learn(
  lesson: Lesson,
  settings: DemoSettings,
  onStep: (report: StepReport) => void,
): Promise<Learnt> {
  const { objective, numClasses, dim, start } = lesson;
  const random = seededRandom(`${settings.seed} ${lesson.name}`);
  const embedder = digitEmbedder({ dim, seed: wholeNumber(random) });
  if (start) restore(embedder, start);
  const optimizer = optimizers.adam(lesson.learningRate);
  const centres = start && { centres: start.centres };
  const net = classifier({ embedder, objective, numClasses, optimizer, seed: wholeNumber(random), ...centres });
  const { images, labels } = lesson.train;
  await train({
    model: net.model,
    optimizer,
    size: images.length,
    batch: (indices) => ({
      inputs: inputTensor(
        indices.map((i) => images[i] as Float32Array),
        { range: lesson.warp, random },
      ),
      targets: net.targets(Int32Array.from(indices, (i) => labels[i] as number)),
    }),
    batchSize: settings.batchSize,
    epochs: lesson.epochs,
    schedule: cosineSchedule({
      peak: lesson.learningRate,
      steps: lessonSteps(lesson, settings),
      warmUp: WARM_UP_STEPS,
    }),
    random,
    onStep,
  });
  return learnt(embedder, net, optimizer);
}

function learnt(embedder: LayersModel, net: Classifier, optimizer: AdamOptimizer): Learnt {
  return {
    embeddings: (images) => withTensors([inputTensor(images)], ([x]) => read(embedder.predict(x as Tensor) as Tensor)),
    accuracy: ({ images, labels }) =>
      withTensors([inputTensor(images), net.targets(labels)], ([x, y]) => {
        const [loss, accuracy] = net.model.evaluate(x as Tensor, y as Tensor, { batchSize: images.length }) as Tensor[];
        dispose(loss as Tensor);
        return read(accuracy as Tensor)[0] as number;
      }),
    centres: () => net.centres(),
    snapshot: () => ({
      weights: embedder.getWeights().map((w) => ({ values: w.dataSync() as Float32Array, shape: w.shape })),
      centres: net.centres(),
    }),
    dispose: () => {
      optimizer.dispose();
      net.model.dispose();
    },
  };
}

function inputTensor(images: readonly Float32Array[], warp?: Parameters<typeof digitInputs>[1]): Tensor {
  return tensor2d(digitInputs(images, warp), [images.length, INPUT_SIZE]);
}

/** The tensor's values; disposes it. */
function read(tensor: Tensor): Float32Array {
  const values = tensor.dataSync() as Float32Array;
  tensor.dispose();
  return values;
}

function withTensors<T>(tensors: Tensor[], use: (tensors: Tensor[]) => T): T {
  const result = use(tensors);
  dispose(tensors);
  return result;
}

function restore(embedder: LayersModel, { weights }: Snapshot): void {
  const tensors = weights.map(({ values, shape }) => tensor(values, shape));
  embedder.setWeights(tensors);
  dispose(tensors);
}

/** For the seeds of tfjs-layers' initialisers. */
function wholeNumber(random: Random): number {
  return Math.floor(random() * 2 ** 31);
}
