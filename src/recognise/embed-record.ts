import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { getBackend } from '@tensorflow/tfjs-core';
import { z } from 'zod';
import type { BadFile } from '../data/bad-files.js';
import type { FaceSet } from '../data/face-set.js';
import { replaceFile } from '../files/replace-file.js';
import type { FaceModel } from '../models/model-folder.js';

/** How far an unfinished run has come: what lies beside its drafts. */
export interface EmbedRecord {
  /** Of everything that the features depend on but for the bytes of the images. */
  fingerprint: string;
  /** The place of the next image. */
  next: number;
  rows: number;
  /** Places of the images that were left out. */
  left: number[];
  /** The first of them by name. */
  bad: BadFile[];
}

const place = z.int().min(0);
const RECORD: z.ZodType<EmbedRecord> = z.object({
  fingerprint: z.string(),
  next: place,
  rows: place,
  left: z.array(place),
  bad: z.array(z.object({ name: z.string(), reason: z.string() })),
});

function recordPath(features: string): string {
  return `${features}.part.json`;
}

/** The record of the same run, if it was left unfinished; that of another run counts for nothing. */
export async function readEmbedRecord(features: string, fingerprint: string): Promise<EmbedRecord | undefined> {
  try {
    const record = RECORD.parse(JSON.parse(await readFile(recordPath(features), 'utf8')));
    const whole = record.rows + record.left.length === record.next;
    return whole && record.fingerprint === fingerprint ? record : undefined;
  } catch {
    return undefined; // none, or one that says nothing: everything can be computed anew
  }
}

/** The record must not say more than the drafts hold: flush them first. */
export function writeEmbedRecord(features: string, record: EmbedRecord): void {
  replaceFile(recordPath(features), JSON.stringify(record), { durable: true });
}

export async function removeEmbedRecord(features: string): Promise<void> {
  await rm(recordPath(features), { force: true });
}

/** The same for the same weights, description, settings, names of images and backend. */
export function embedFingerprint({ model, description }: FaceModel, faces: FaceSet, settings: object): string {
  const hash = createHash('sha256').update(
    JSON.stringify({ description, settings, size: faces.size, backend: getBackend() }),
  );
  for (const weight of model.getWeights()) hash.update(weight.dataSync() as Uint8Array);
  for (let at = 0; at < faces.size; at++) hash.update(`${faces.nameOf(at)}\n`);
  return hash.digest('hex');
}
