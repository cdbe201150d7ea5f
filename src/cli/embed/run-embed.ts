import { BadFiles } from '../../data/bad-files.js';
import type { ModelDescription } from '../../models/model-description.js';
import type { BackendName } from '../../models/start-backend.js';
import { facesFor } from '../../recognise/embed-photos.js';
import { type EmbeddedFiles, embedToFiles } from '../../recognise/embed-to-files.js';
import type { FlipRule } from '../../recognise/flip-rule.js';
import { createImageProgress, type ImageProgress } from '../image-progress.js';
import type { BatchFlags, ModelFlags } from '../model-options.js';
import { openImages } from '../open-images.js';
import { openModel } from '../open-model.js';
import { writeJson } from '../write-json.js';

export interface EmbedFlags extends ModelFlags, BatchFlags {
  images: string;
  out: string;
  list?: string;
  root?: string;
  flip?: FlipRule;
  json?: string;
}

/** What `--json` writes. */
export interface EmbedFigures extends EmbeddedFiles {
  model: string;
  backend: BackendName;
  input: ModelDescription['input'];
  bad: { count: number; named: readonly { name: string; reason: string }[] };
  seconds: number;
  imagesPerSecond: number;
}

/** Embeds, and says at the end what became of the images. */
export async function runEmbed(flags: EmbedFlags): Promise<void> {
  const { out, list, flip, batch, threads, bad, json } = flags;
  const photos = await openImages(flags.images, flags.root);
  const { model, backend, detector } = await openModel(flags);
  const badFiles = new BadFiles(bad);
  const faces = facesFor(model, photos, { detector });
  const start = performance.now();
  let progress: ImageProgress | undefined;
  const onProgress = (done: number) => {
    progress ??= createImageProgress(faces.size, done);
    progress.update(done);
  };
  const preparation = detector ? 'detected' : 'as they are';
  const options = { features: out, list, flip, batchSize: batch, threads, badFiles, onProgress, preparation };
  const files = await embedToFiles(model, faces, options).finally(async () => {
    progress?.stop();
    await photos.close();
  });
  const seconds = (performance.now() - start) / 1000;
  const figures: EmbedFigures = {
    ...{ model: flags.model, backend, input: model.description.input },
    ...files,
    bad: { count: badFiles.count, named: badFiles.named },
    seconds,
    imagesPerSecond: (files.images - files.resumedAt) / seconds,
  };
  if (json !== '-') console.log(report(figures, photos.notes));
  const summary = badFiles.summary();
  if (summary !== '') console.error(summary);
  if (json !== undefined) writeJson(json, figures);
}

function report(figures: EmbedFigures, notes: readonly string[]): string {
  const { rows, images, size, flip, features, list, flipped, resumedAt, seconds, imagesPerSecond, backend } = figures;
  const files = [features, flipped, list].filter((file) => file !== null).join(', ');
  const rate = `${seconds.toFixed(1)} s (${imagesPerSecond.toFixed(0)} images/s, ${backend})`;
  return [
    `${rows} of ${images} images embedded in ${rate}: ${files}, ${rows} x ${size} float32, mirror images: ${flip}.`,
    ...(resumedAt > 0 ? [`An earlier run had done ${resumedAt} of them.`] : []),
    ...notes.map((note) => `Note: ${note}`),
  ].join('\n');
}
