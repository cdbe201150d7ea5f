import {
  add,
  dispose,
  div,
  type Scalar,
  type Tensor,
  tensor,
  tensor1d,
  tensor4d,
  tidy,
  type Variable,
  variableGrads,
  zerosLike,
} from '@tensorflow/tfjs-core';
import type { LayersModel, SymbolicTensor } from '@tensorflow/tfjs-layers';
import type { FaceBatch } from '../data/face-batches.js';
import { backbone } from '../models/backbone.js';
import { type CheckpointTensor, checkpointError } from './checkpoint.js';
import { createObjective, type KeptTensor, type Objective, type StepNumbers } from './objective.js';
import { type Parameter, Sgd } from './sgd.js';
import type { TrainSettings } from './train-settings.js';

/** What came of a step's images. */
export interface StepGradients {
  /** The mean over the images. */
  loss: number;
  /** In the order of the net's parameters; the caller disposes them. */
  gradients: Tensor[];
}

/** All that a training changes: the net's weights, the head, the optimiser. */
export class TrainingNet {
  readonly model: LayersModel;
  readonly objective: Objective;
  readonly parameters: readonly Parameter[];
  readonly #optimizer: Sgd;
  /** What is not trained by gradients: the averages of batch normalisation. */
  readonly #averages: readonly Omit<Parameter, 'decays'>[];

  constructor(settings: TrainSettings, numClasses: number) {
    const { model, input, loss, head, optimizer, seed } = settings;
    this.model = backbone({ ...model, name: model.backbone, height: input.height, width: input.width, seed });
    const dim = this.model.outputs[0]?.shape[1] as number;
    this.objective = createObjective({ settings: loss, head, optimizer, numClasses, dim, seed });
    const weights = namedWeights(this.model);
    this.parameters = [...weights.filter(({ trainable }) => trainable), ...this.objective.parameters];
    this.#averages = weights.filter(({ trainable }) => !trainable);
    this.#optimizer = new Sgd(this.parameters, optimizer);
  }

  /** How many numbers are trained, the head's among them. */
  get size(): number {
    const kept = this.objective.kept.filter(({ trained }) => trained);
    return [...this.parameters.map(({ variable }) => variable), ...kept].reduce(
      (sum, { shape }) => sum + sizeOf(shape),
      0,
    );
  }

  /** The mean loss of a step's images and its gradients, part by part; updates the averages of batch normalisation. */
  async gradients(parts: readonly FaceBatch[], numbers: StepNumbers): Promise<StepGradients> {
    let sums: Tensor[] | undefined;
    let loss = 0;
    for (const part of parts) {
      const { value, gradients } = this.#partGradients(part, numbers);
      loss += ((await value.data())[0] as number) / parts.length;
      value.dispose();
      sums = sums ? addAll(sums, gradients) : gradients;
    }
    return { loss, gradients: parts.length === 1 ? (sums as Tensor[]) : divideAll(sums as Tensor[], parts.length) };
  }

  /** How well the centres fit a batch. The net is not in training mode, so nothing changes. */
  async fit(batch: FaceBatch): Promise<Awaited<ReturnType<Objective['fit']>>> {
    const { x, y } = this.#inputs(batch);
    const embeddings = tidy(() => this.model.predictOnBatch(x) as Tensor);
    try {
      return await this.objective.fit(embeddings, y);
    } finally {
      dispose([x, y, embeddings]);
    }
  }

  update(gradients: readonly Tensor[], step: { rate: number; factor: number }): void {
    this.#optimizer.update(gradients, step);
  }

  /** Copies of all tensors, for a checkpoint. */
  async save(): Promise<CheckpointTensor[]> {
    const saved: CheckpointTensor[] = [];
    for (const { name, variable } of this.#saved())
      saved.push({ name, shape: variable.shape, values: ((await variable.data()) as Float32Array).slice() });
    return [...saved, ...this.objective.kept.map(({ name, shape, read }) => ({ name, shape, values: read() }))];
  }

  /** @throws {CosFaceError} COSFACE_CHECKPOINT unless the tensors are those of such a net. */
  restore(tensors: readonly CheckpointTensor[]): void {
    const found = new Map(tensors.map((one) => [one.name, one]));
    const expected = [...this.#saved().map(keptVariable), ...this.objective.kept];
    for (const { name, shape } of expected) {
      const saved = found.get(name);
      if (!saved || saved.shape.join() !== shape.join()) {
        const came = saved ? `has shape [${saved.shape}]` : 'is not there';
        throw checkpointError(`${name} ${came} in the checkpoint, expected shape [${shape}]: it is of another run.`);
      }
    }
    if (found.size !== expected.length)
      throw checkpointError(
        `the checkpoint has ${found.size} tensors, expected ${expected.length}: it is of another run.`,
      );
    for (const { name, write } of expected) write((found.get(name) as CheckpointTensor).values);
  }

  dispose(): void {
    this.model.dispose();
    this.objective.dispose();
    this.#optimizer.dispose();
  }

  #saved(): Omit<Parameter, 'decays'>[] {
    const velocities = this.#optimizer.state.map((variable, at) => ({
      name: `velocity/${(this.parameters[at] as Parameter).name}`,
      variable,
    }));
    return [...this.parameters, ...this.#averages, ...velocities];
  }

  #inputs({ pixels, labels }: FaceBatch): { x: Tensor; y: Tensor } {
    const shape = (this.model.inputs[0] as SymbolicTensor).shape.slice(1) as [number, number, number];
    return { x: tensor4d(pixels, [labels.length, ...shape]), y: tensor1d(labels, 'int32') };
  }

  #partGradients(part: FaceBatch, numbers: StepNumbers): { value: Scalar; gradients: Tensor[] } {
    const variables = this.parameters.map(({ variable }) => variable);
    const { x, y } = this.#inputs(part);
    try {
      const { value, grads } = variableGrads(
        () => this.objective.loss(this.model.apply(x, { training: true }) as Tensor, y, numbers),
        variables,
      );
      return { value, gradients: variables.map((variable) => grads[variable.name] ?? zerosLike(variable)) };
    } finally {
      dispose([x, y]);
    }
  }
}

function keptVariable({ name, variable }: Omit<Parameter, 'decays'>): Pick<KeptTensor, 'name' | 'shape' | 'write'> {
  const { shape } = variable;
  return {
    ...{ name, shape },
    write: (values) => {
      const restored = tensor(values, shape);
      variable.assign(restored);
      restored.dispose();
    },
  };
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** tfjs-layers counts its layers for the whole process, so its own names differ from run to run. */
function namedWeights(model: LayersModel): (Parameter & { trainable: boolean })[] {
  return model.layers.flatMap((layer, at) => {
    const trainable = new Set(layer.trainableWeights);
    return layer.weights.map((weight) => {
      const kind = weight.originalName.split('/').at(-1) as string;
      return {
        name: `net/${at}/${kind}`,
        variable: weight.read() as Variable,
        // As in the papers' code: kernels decay; biases, slopes of PReLU and batch normalisation do not.
        decays: kind.endsWith('kernel'),
        trainable: trainable.has(weight),
      };
    });
  });
}

function addAll(sums: Tensor[], others: Tensor[]): Tensor[] {
  const added = sums.map((sum, at) => add(sum, others[at] as Tensor));
  dispose([...sums, ...others]);
  return added;
}

function divideAll(sums: Tensor[], number: number): Tensor[] {
  const divided = sums.map((sum) => div<Tensor>(sum, number));
  dispose(sums);
  return divided;
}
