import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BadFiles } from '../data/bad-files.js';
import { dataError } from '../data/data-error.js';
import type { FaceSet } from '../data/face-set.js';
import { NpyDraft } from '../files/npy-draft.js';
import { outputError } from '../files/output-error.js';
import { replaceFile } from '../files/replace-file.js';
import type { FaceModel } from '../models/model-folder.js';
import { CosFaceError } from '../native/errors.js';
import { EMBED_BATCH, type EmbedFacesOptions, embeddedSize, embedFaces } from './embed-faces.js';
import {
  type EmbedRecord,
  embedFingerprint,
  readEmbedRecord,
  removeEmbedRecord,
  writeEmbedRecord,
} from './embed-record.js';
import type { FlipRule } from './flip-rule.js';

export interface EmbedToFilesOptions extends Omit<EmbedFacesOptions, 'order' | 'start'> {
  /** The .npy to write, [rows, size] float32. */
  features: string;
  /** Its list: a line `name<tab>identity` for each row. Default: `features`, ending in `.txt`. */
  list?: string | undefined;
  /** With `flip: 'separate'`: the .npy of the mirror images. Default: `features`, ending in `.flipped.npy`. */
  flipped?: string | undefined;
  /** What else the features depend on, such as how faces were found: an unfinished run of another kind counts for nothing. */
  preparation?: string | undefined;
  /** Milliseconds of work that an interruption may lose. Default 2000. */
  saveEvery?: number | undefined;
  /** Hears after each batch how many images are done with, of those of the whole set. */
  onProgress?: ((done: number) => void) | undefined;
}

export interface EmbeddedFiles {
  features: string;
  list: string;
  flipped: string | null;
  images: number;
  rows: number;
  /** Values of a row. */
  size: number;
  flip: FlipRule;
  /** Images that an earlier, unfinished run had done. */
  resumedAt: number;
}

/**
 * Embeds a set of images of any size into a .npy and its list, which `cosface evaluate` and NumPy read. Both are written
 * beside their places, as `.part`, and moved there at the end. The same call after an interruption goes on where the
 * last record was made, to the same bytes; after a change of model, options or names it begins anew.
 *
 * Memory: the model, some batches, and the names.
 *
 * @throws {CosFaceError} What `embedFaces` throws; COSFACE_OUTPUT, for example for a full disk, which loses nothing;
 * COSFACE_DATA where no image can be used.
 * @example await embedToFiles(model, await openImageFolder('aligned'), { features: 'faces.npy' });
 */
export async function embedToFiles(
  model: FaceModel,
  faces: FaceSet,
  options: EmbedToFilesOptions,
): Promise<EmbeddedFiles> {
  const run = await openRun(model, faces, options);
  const { record, drafts, files, flip } = run;
  const resumedAt = record.next;
  try {
    await embedRest(model, faces, run, options);
    if (record.rows === 0) throw dataError('COSFACE_DATA', files.features, 'no image could be used: nothing to write.');
    writeList(files.list, faces, record);
    for (const draft of drafts) await draft.finish();
  } catch (error) {
    for (const draft of drafts) await draft.close().catch(() => {});
    throw error;
  }
  await removeEmbedRecord(files.features);
  const { rows } = record;
  return { ...files, images: faces.size, rows, size: embeddedSize(model, flip), flip, resumedAt };
}

interface EmbedRun {
  files: { features: string; list: string; flipped: string | null };
  flip: FlipRule;
  record: EmbedRecord;
  /** Of the features, and of the mirrored ones where they are separate. */
  drafts: NpyDraft[];
  badFiles: BadFiles;
}

async function openRun(model: FaceModel, faces: FaceSet, options: EmbedToFilesOptions): Promise<EmbedRun> {
  const { features, batchSize = EMBED_BATCH, badFiles = new BadFiles('fail'), preparation = '' } = options;
  const flip = options.flip ?? model.description.embedding.flip;
  const stem = features.replace(/\.npy$/, '');
  const { list = `${stem}.txt` } = options;
  const flipped = flip === 'separate' ? (options.flipped ?? `${stem}.flipped.npy`) : null;
  requireDifferent({ features, list, flipped });
  requireListable(faces);
  const dim = embeddedSize(model, flip);
  const fingerprint = embedFingerprint(model, faces, { flip, batchSize, policy: badFiles.policy, preparation });
  const paths = flipped === null ? [features] : [features, flipped];
  const files = { features, list, flipped };
  await makeFolders([...paths, list]);

  const left = await readEmbedRecord(features, fingerprint);
  const kept = left ? await openDrafts(paths, { dim, rows: left.rows }) : undefined;
  if (left && kept) {
    recallBadFiles(left, faces, badFiles);
    return { files, flip, record: left, drafts: kept, badFiles };
  }
  await removeEmbedRecord(features);
  const drafts = (await openDrafts(paths, { dim, rows: 0 })) as NpyDraft[];
  return { files, flip, record: { fingerprint, next: 0, rows: 0, left: [], bad: [] }, drafts, badFiles };
}

function requireDifferent(files: EmbedRun['files']): void {
  const paths = Object.values(files).filter((path) => path !== null);
  if (new Set(paths).size === paths.length) return;
  const text = `features, list and mirrored features are to be written to ${paths.join(', ')}: give each its own file.`;
  throw new CosFaceError('COSFACE_OPTION_RANGE', text, { argument: 'features' });
}

async function makeFolders(paths: readonly string[]): Promise<void> {
  for (const path of paths)
    await mkdir(dirname(path), { recursive: true }).catch((cause) => {
      throw outputError(path, cause);
    });
}

async function openDrafts(
  paths: readonly string[],
  shape: { dim: number; rows: number },
): Promise<NpyDraft[] | undefined> {
  const drafts = await Promise.all(paths.map((path) => NpyDraft.open(path, shape)));
  const found = drafts.filter((draft) => draft !== undefined);
  if (found.length === paths.length) return found;
  for (const draft of found) await draft.close();
  return undefined;
}

async function embedRest(
  model: FaceModel,
  faces: FaceSet,
  run: EmbedRun,
  { batchSize, threads, saveEvery = 2000, onProgress }: EmbedToFilesOptions,
): Promise<void> {
  const { record, drafts, badFiles, flip } = run;
  let recorded = performance.now();
  onProgress?.(record.next);
  const batches = embedFaces(model, faces, { flip, batchSize, threads, badFiles, start: record.next });
  for await (const { features, mirrored, indices, next } of batches) {
    await drafts[0]?.append(features);
    if (mirrored) await drafts[1]?.append(mirrored);
    const taken = new Set(indices);
    goOn(record, next, (at) => taken.has(at));
    onProgress?.(next);
    if (performance.now() - recorded < saveEvery) continue;
    await writeProgress(run);
    recorded = performance.now();
  }
  // Bad images at the end are in no batch.
  goOn(record, faces.size, () => false);
  onProgress?.(record.next);
}

/** Takes note of the images up to `next`: those that have rows now, and those that were left out. */
function goOn(record: EmbedRecord, next: number, taken: (at: number) => boolean): void {
  for (let at = record.next; at < next; at++) {
    if (taken(at)) record.rows++;
    else record.left.push(at);
  }
  record.next = next;
}

async function writeProgress({ record, drafts, badFiles, files }: EmbedRun): Promise<void> {
  for (const draft of drafts) await draft.flush();
  record.bad = [...badFiles.named];
  writeEmbedRecord(files.features, record);
}

function recallBadFiles({ left, bad }: EmbedRecord, faces: FaceSet, badFiles: BadFiles): void {
  const reasons = new Map(bad.map(({ name, reason }) => [name, reason]));
  for (const at of left) {
    const name = faces.nameOf(at);
    const reason = reasons.get(name)?.replace(/^COSFACE_[A-Z_]+: /, '') ?? `${name}: it could not be used.`;
    badFiles.add(name, new CosFaceError('COSFACE_IMAGE', reason));
  }
}

function requireListable(faces: FaceSet): void {
  for (let at = 0; at < faces.size; at++)
    if (/[\t\r\n]/.test(lineOf(faces, at).replace('\t', '')))
      throw dataError(
        'COSFACE_DATA',
        JSON.stringify(faces.nameOf(at)),
        'a list cannot hold tabs and line ends. Rename it.',
      );
}

function lineOf(faces: FaceSet, at: number): string {
  return `${faces.nameOf(at)}\t${faces.identities[faces.labels[at] as number]}`;
}

function writeList(list: string, faces: FaceSet, { left }: EmbedRecord): void {
  const absent = new Set(left);
  const lines: string[] = [];
  for (let at = 0; at < faces.size; at++) if (!absent.has(at)) lines.push(`${lineOf(faces, at)}\n`);
  replaceFile(list, lines.join(''), { durable: true });
}
