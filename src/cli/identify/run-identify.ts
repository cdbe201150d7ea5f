import { BadFiles } from '../../data/bad-files.js';
import { openFaces } from '../../data/open-faces.js';
import { facesFor } from '../../recognise/embed-photos.js';
import { embedGallery, type Gallery } from '../../recognise/gallery.js';
import { type IdentifiedFace, identifyFaces } from '../../recognise/identify-faces.js';
import { readGallery } from '../../recognise/read-gallery.js';
import { describeThreshold } from '../describe-threshold.js';
import { createImageProgress } from '../image-progress.js';
import type { BatchFlags, ModelFlags } from '../model-options.js';
import { type OpenedModel, openModel } from '../open-model.js';
import { writeJson } from '../write-json.js';

export interface IdentifyFlags extends ModelFlags, BatchFlags {
  photos: string[];
  gallery: string;
  galleryList?: string;
  top: number;
  threshold?: number;
  json?: string;
}

/** Looks each photo up in the gallery. */
export async function runIdentify(flags: IdentifyFlags): Promise<void> {
  const { photos, top, threshold, json } = flags;
  const opened = await openModel(flags);
  const { model, backend, detector } = opened;
  const badFiles = new BadFiles(flags.bad);
  const gallery = await openGallery(flags, opened, badFiles);
  const found = await identifyFaces(model, gallery, photos, { top, threshold, detector });
  const summary = badFiles.summary();
  if (summary !== '') console.error(summary);
  if (json !== undefined) {
    const size = { images: gallery.names.length, people: new Set(gallery.identities).size };
    const answers = photos.map((photo, at) => ({ photo, matches: found[at]?.matches }));
    const bad = { count: badFiles.count, named: badFiles.named };
    writeJson(json, {
      model: flags.model,
      backend,
      gallery: size,
      bad,
      threshold: found[0]?.threshold,
      photos: answers,
    });
  }
  if (json !== '-') console.log(report(photos, found));
}

async function openGallery(flags: IdentifyFlags, opened: OpenedModel, badFiles: BadFiles): Promise<Gallery> {
  const { gallery: path, batch: batchSize, threads } = flags;
  if (/\.npy$/i.test(path)) return readGallery(path, flags.galleryList ?? path.replace(/\.npy$/i, '.txt'));
  const photos = await openFaces(path);
  const progress = createImageProgress(photos.size);
  const options = { batchSize, threads, badFiles, onProgress: progress.update };
  return embedGallery(opened.model, facesFor(opened.model, photos, opened), options).finally(async () => {
    progress.stop();
    await photos.close();
  });
}

function report(photos: readonly string[], found: readonly IdentifiedFace[]): string {
  const lines = photos.flatMap((photo, at) => [
    photo,
    ...(found[at]?.matches ?? []).map(({ identity, score, accepted, image }) => {
      const mark = accepted === null ? ' ' : accepted ? '+' : '-';
      return `  ${mark} ${score.toFixed(4)}  ${identity}  (${image})`;
    }),
  ]);
  const threshold = found[0]?.threshold ?? null;
  return [...lines, describeThreshold(threshold), ...(threshold ? ['+ accepted, - not'] : [])].join('\n');
}
