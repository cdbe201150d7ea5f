import { createHash } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { io } from '@tensorflow/tfjs-core';
import { type LayersModel, loadLayersModel } from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { Root } from '../data/path-inside.js';
import { readWholeFile } from '../data/read-whole-file.js';
import { outputError } from '../files/output-error.js';
import { replaceFile } from '../files/replace-file.js';
import { CosFaceError } from '../native/errors.js';
import { checkDescription, type ModelDescription } from './model-description.js';

/** A face model in use: images in, embeddings out. */
export interface FaceModel {
  /** From [N, height, width, 3] to [N, dim]. */
  model: LayersModel;
  description: ModelDescription;
}

const FORMAT = { format: 'cosface-model', version: 1 } as const;
const TEXT_LIMIT = 64 * 2 ** 20;
const WEIGHTS_LIMIT = 2 ** 31;
const BYTES = { float32: 4, int32: 4, bool: 1 } as const;

/**
 * Writes a model that says by itself how it is to be used: `model.json` and its weights, which `tf.loadLayersModel` reads
 * in any browser, and `cosface.json` with the description. What a folder held before stays whole until the new files
 * are there; a crash in between is noticed by `loadModelFolder`, by the weights' hash.
 *
 * @throws {CosFaceError} COSFACE_MODEL for a description that does not fit the model; COSFACE_OUTPUT where nothing can
 * be written.
 * @example await saveModelFolder('runs/mine', { model, description });
 */
export async function saveModelFolder(folder: string, { model, description }: FaceModel): Promise<void> {
  checkDescription(description, 'description');
  requireFit(model, description, 'description');
  const { modelTopology, weightSpecs, weights } = await artifactsOf(model);
  const sha256 = hash(weights);
  const weightsFile = `weights-${sha256.slice(0, 16)}.bin`;
  const manifest = {
    format: 'layers-model',
    generatedBy: 'cosface',
    convertedBy: null,
    modelTopology,
    weightsManifest: [{ paths: [weightsFile], weights: weightSpecs }],
  };
  const described = { ...FORMAT, weightsSha256: sha256, ...description };
  try {
    replaceFile(join(folder, weightsFile), weights, { durable: true });
    replaceFile(join(folder, 'model.json'), JSON.stringify(manifest), { durable: true });
    replaceFile(join(folder, 'cosface.json'), `${JSON.stringify(described, null, 2)}\n`, { durable: true });
    for (const name of readdirSync(folder))
      if (/^weights-[0-9a-f]{16}\.bin$/.test(name) && name !== weightsFile) rmSync(join(folder, name));
  } catch (cause) {
    throw outputError(folder, cause);
  }
}

/**
 * Reads a folder that `saveModelFolder` wrote. The caller disposes the model.
 *
 * @throws {CosFaceError} COSFACE_MODEL, naming the file: it is missing, damaged, or of another model.
 * @example const { model, description } = await loadModelFolder('runs/mine/best');
 */
export async function loadModelFolder(folder: string): Promise<FaceModel> {
  const { described, place } = await readDescribed(folder);
  const { format: _, version: __, weightsSha256, ...rest } = described;
  const description = checkDescription(rest, place);
  const { manifest, weights } = await readArtifacts(folder);
  if (hash(weights) !== weightsSha256) {
    throw modelError(
      folder,
      'its weights are not those that cosface.json was written for: they are damaged, or the writing was interrupted. ' +
        'Train on with --resume, which writes it again, or copy the folder anew.',
    );
  }
  const model = await loadLayersModel(
    io.fromMemory({
      modelTopology: manifest.modelTopology as object,
      weightSpecs: manifest.weightsManifest.flatMap((group) => group.weights),
      weightData: weights.buffer as ArrayBuffer,
    }),
  ).catch((cause) => {
    throw modelError(join(folder, 'model.json'), `TensorFlow.js cannot load it: ${(cause as Error).message}`, cause);
  });
  try {
    requireFit(model, description, place);
  } catch (error) {
    model.dispose();
    throw error;
  }
  return { model, description };
}

/** The description alone, without loading the model. */
export async function readModelDescription(folder: string): Promise<ModelDescription> {
  const { described, place } = await readDescribed(folder);
  const { format: _, version: __, weightsSha256: ___, ...description } = described;
  return checkDescription(description, place);
}

const DESCRIBED = z.looseObject({
  format: z.literal(FORMAT.format),
  version: z.literal(FORMAT.version),
  weightsSha256: z.string().regex(/^[0-9a-f]{64}$/),
});

async function readDescribed(folder: string): Promise<{ described: z.infer<typeof DESCRIBED>; place: string }> {
  const place = join(folder, 'cosface.json');
  const described = DESCRIBED.safeParse(await readJson(place));
  if (described.success) return { described: described.data, place };
  throw modelError(
    place,
    `expected "format": "${FORMAT.format}", "version": ${FORMAT.version} and "weightsSha256", as saveModelFolder writes them.`,
  );
}

const MANIFEST = z.looseObject({
  modelTopology: z.looseObject({}),
  weightsManifest: z.array(
    z.looseObject({
      paths: z.array(z.string()),
      weights: z.array(
        // Strict: a quantised weight has a key more.
        z.strictObject({
          name: z.string(),
          shape: z.array(z.int().min(0)),
          dtype: z.enum(['float32', 'int32', 'bool']),
        }),
      ),
    }),
  ),
});
type Manifest = z.infer<typeof MANIFEST>;

async function readArtifacts(folder: string): Promise<{ manifest: Manifest; weights: Uint8Array }> {
  const place = join(folder, 'model.json');
  const parsed = MANIFEST.safeParse(await readJson(place));
  if (!parsed.success) throw modelError(place, 'it is no layers model of TensorFlow.js with unquantised weights.');
  const manifest = parsed.data;
  const expected = manifest.weightsManifest
    .flatMap((group) => group.weights)
    .reduce((sum, { shape, dtype }) => sum + shape.reduce((a, b) => a * b, 1) * BYTES[dtype], 0);
  if (!(expected <= WEIGHTS_LIMIT)) throw modelError(place, 'its weights are beyond 2 GiB.');
  const root = await Root.open(folder);
  const weights = new Uint8Array(expected);
  let filled = 0;
  for (const path of manifest.weightsManifest.flatMap((group) => group.paths)) {
    const bytes = await readWholeFile(await root.resolve(path), WEIGHTS_LIMIT, 'COSFACE_DATA');
    if (filled + bytes.length <= expected) weights.set(bytes, filled);
    filled += bytes.length;
  }
  if (filled === expected) return { manifest, weights };
  throw modelError(folder, `its weights have ${filled} bytes, expected ${expected} by model.json.`);
}

async function readJson(place: string): Promise<unknown> {
  const bytes = await readWholeFile(place, TEXT_LIMIT, 'COSFACE_DATA').catch((cause) => {
    throw modelError(
      place,
      `${(cause as Error).message} A model's folder has model.json, weights and cosface.json.`,
      cause,
    );
  });
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw modelError(place, `no JSON: ${(cause as Error).message}.`, cause);
  }
}

function requireFit({ inputs, outputs }: LayersModel, { input, embedding }: ModelDescription, place: string): void {
  const [from, to] = [inputs[0]?.shape ?? [], outputs[0]?.shape ?? []];
  const wanted = { from: [input.height, input.width, 3], to: [embedding.dim] };
  const fits = (shape: readonly (number | null)[], sizes: readonly number[]) =>
    shape.length === sizes.length + 1 && sizes.every((size, axis) => (shape[axis + 1] ?? size) === size);
  if (inputs.length === 1 && outputs.length === 1 && fits(from, wanted.from) && fits(to, wanted.to)) return;
  const shown = (shape: readonly (number | null)[]) => `[${shape.map((n) => n ?? 'N').join(', ')}]`;
  throw modelError(
    place,
    `it says [N, ${wanted.from.join(', ')}] to [N, ${wanted.to}], but the model goes from ${shown(from)} to ${shown(to)}.`,
  );
}

interface Artifacts {
  modelTopology: object;
  weightSpecs: io.WeightsManifestEntry[];
  weights: Uint8Array;
}

async function artifactsOf(model: LayersModel): Promise<Artifacts> {
  let artifacts: io.ModelArtifacts | undefined;
  await model.save(
    io.withSaveHandler(async (given) => {
      artifacts = given;
      return { modelArtifactsInfo: io.getModelArtifactsInfoForJSON(given) };
    }),
  );
  const { modelTopology, weightSpecs = [], weightData } = artifacts as io.ModelArtifacts;
  return {
    modelTopology: modelTopology as object,
    weightSpecs,
    weights: new Uint8Array(io.concatenateArrayBuffers([weightData ?? []].flat())),
  };
}

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function modelError(place: string, what: string, cause?: unknown): CosFaceError {
  return new CosFaceError('COSFACE_MODEL', `${place}: ${what}`, { cause });
}
