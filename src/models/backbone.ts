import type { LayersModel } from '@tensorflow/tfjs-layers';
import { CosFaceError, spell } from '../native/errors.js';
import { BACKBONES, type BackboneName } from './backbone-names.js';
import { type IResNetDepth, iResNet } from './iresnet.js';
import { mobileFaceNet } from './mobilefacenet.js';
import { type SphereFaceDepth, sphereFaceNet } from './sphereface-net.js';

export interface BackboneOptions {
  name: BackboneName;
  height: number;
  width: number;
  /** D. Default: the paper's. */
  dim?: number | undefined;
  /** Channels of the four stages; not for mobilefacenet. Default: the paper's. */
  widths?: readonly [number, number, number, number] | undefined;
  /** sphereface: batch normalisation behind every convolution. */
  batchNorm?: boolean | undefined;
  /** sphereface: batch normalisation of the embedding. */
  embeddingBatchNorm?: boolean | undefined;
  seed: number | string;
}

/**
 * A backbone by its name: from images [N, height, width, 3] to embeddings [N, dim].
 *
 * @throws {CosFaceError} COSFACE_OPTION_RANGE: no such backbone, or an option that it does not have.
 * @example const net = backbone({ name: 'iresnet18', height: 112, width: 112, seed: 1 });
 */
export function backbone({ name, widths, batchNorm, embeddingBatchNorm, dim, ...rest }: BackboneOptions): LayersModel {
  const [, family = '', depth = ''] = /^([a-z]+?)(\d*)$/.exec(name) ?? [];
  if (!(BACKBONES as readonly string[]).includes(name)) throw refused('name', name, `one of ${BACKBONES.join(', ')}`);
  if (family !== 'sphereface')
    for (const [option, value] of Object.entries({ batchNorm, embeddingBatchNorm }))
      if (value !== undefined) throw refused(option, value, `nothing: ${name} has its batch normalisation already`);
  const common = { ...rest, ...(dim !== undefined && { dim }) };
  const wide = { ...common, ...(widths && { widths }) };
  if (family === 'sphereface') {
    const norms = { ...(batchNorm && { batchNorm }), ...(embeddingBatchNorm && { embeddingBatchNorm }) };
    return sphereFaceNet({ ...wide, ...norms, depth: Number(depth) as SphereFaceDepth });
  }
  if (family === 'iresnet') return iResNet({ ...wide, depth: Number(depth) as IResNetDepth });
  if (widths) throw refused('widths', widths, 'nothing: the channels of mobilefacenet are fixed');
  return mobileFaceNet(common);
}

function refused(option: string, value: unknown, expected: string): CosFaceError {
  return new CosFaceError('COSFACE_OPTION_RANGE', `${option} is ${spell(value)}, expected ${expected}.`, {
    argument: option,
  });
}
