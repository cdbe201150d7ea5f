import { type LayersModel, model as makeModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { CosFaceError } from '../native/errors.js';
import { CosFaceHead } from './cosface-head.js';

/**
 * The head of a model, for example of one that was just loaded.
 *
 * @throws {CosFaceError} COSFACE_SHAPE if the model has none.
 * @example
 * const model = await tf.loadLayersModel('file://model/model.json');
 * const head = headOf(model);
 * model.compile({ optimizer: 'adam', loss: head.loss, metrics: [head.accuracy] });
 */
export function headOf(model: LayersModel): CosFaceHead {
  const head = model.layers.find((layer) => layer instanceof CosFaceHead);
  if (head) return head as CosFaceHead;
  throw new CosFaceError(
    'COSFACE_SHAPE',
    `the model ${model.name} has no CosFaceHead among its ${model.layers.length} layers. Add one with cosFaceHead().`,
    { argument: 'model' },
  );
}

/**
 * The embedding model without its head, to use or save after training: same inputs, the head's input as output.
 *
 * The layers are shared: training one model trains the other, and disposing one disposes their weights.
 *
 * @throws {CosFaceError} COSFACE_SHAPE if no output of the model comes from a CosFaceHead.
 * @example
 * await withoutHead(model).save('file://embedder');
 */
export function withoutHead(model: LayersModel): LayersModel {
  const outputs = model.outputs.map((output) => (isHeads(output) ? (output.inputs[0] as SymbolicTensor) : output));
  if (model.outputs.some(isHeads)) return makeModel({ inputs: model.inputs, outputs });
  throw new CosFaceError(
    'COSFACE_SHAPE',
    `no output of the model ${model.name} comes from a CosFaceHead. The head must be the last layer.`,
    { argument: 'model' },
  );
}

function isHeads(output: SymbolicTensor): boolean {
  return output.sourceLayer instanceof CosFaceHead;
}
