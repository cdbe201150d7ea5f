import { extname, join, resolve, sep } from 'node:path';
import { type AlignPhotoOptions, alignPhoto, type LocateFace, locateBy } from '../../data/align-photo.js';
import { type BadFilePolicy, BadFiles } from '../../data/bad-files.js';
import { dataError } from '../../data/data-error.js';
import { encodeImage, type ImageFormat } from '../../data/encode-image.js';
import { loadFaceDetector } from '../../data/face-detector.js';
import type { FaceSet } from '../../data/face-set.js';
import { FACE_TEMPLATES, type FaceTemplateName } from '../../data/face-template.js';
import { openIdentityFolders } from '../../data/identity-folders.js';
import { readLandmarks } from '../../data/landmarks.js';
import { OrderedTasks } from '../../data/ordered-tasks.js';

import { replaceFile } from '../../files/replace-file.js';

import { CosFaceError } from '../../native/errors.js';
import { createImageProgress } from '../image-progress.js';
import { writeJson } from '../write-json.js';

export interface AlignSettings {
  images: string;
  out: string;
  landmarks?: string;
  detect?: boolean;
  size: FaceTemplateName;
  format: ImageFormat;
  quality: number;
  bad: BadFilePolicy;
  json?: string;
}

/** What `--json` writes. */
export interface AlignFigures {
  size: FaceTemplateName;
  landmarks: 'list' | 'detector';
  photos: number;
  aligned: number;
  bad: { count: number; named: readonly { name: string; reason: string }[] };
  /** Lines of the list whose photo is not there. */
  unusedLandmarks: number;
  /** Distance of the fitted landmarks from the template's, root of the mean square, pixels of the result. */
  residual: { mean: number; largest: number; worst: string };
  seconds: number;
  photosPerSecond: number;
}

/** Photos in work at once: bounds the memory, a photo of 24 megapixels takes 72 MB. */
const PHOTOS_AT_ONCE = 4;

/** Aligns every photo of a folder, and says at the end what became of them. */
export async function runAlign(settings: AlignSettings): Promise<void> {
  checkFolders(settings);
  const photos = await openIdentityFolders(settings.images);
  const { locate, unused } = await chooseLandmarks(settings, photos);
  const badFiles = new BadFiles(settings.bad);
  const start = performance.now();
  const residuals = await alignAll(settings, { photos, locate, badFiles });
  const seconds = (performance.now() - start) / 1000;
  const figures = figuresOf(settings, { photos, badFiles, residuals, unused, seconds });
  if (settings.json !== '-') console.log(report(settings, figures, photos.notes));
  const summary = badFiles.summary();
  if (summary !== '') console.error(summary);
  if (settings.json !== undefined) writeJson(settings.json, figures);
  if (figures.aligned === 0) process.exitCode = 1;
}

function checkFolders({ images, out, landmarks, detect = false }: AlignSettings): void {
  if ((landmarks === undefined) !== detect) {
    const text = 'expected either --landmarks with a list, or --detect to find the faces.';
    throw new CosFaceError('COSFACE_OPTION_RANGE', text, { argument: 'landmarks' });
  }
  const [from, to] = [resolve(images) + sep, resolve(out) + sep];
  if (!from.startsWith(to) && !to.startsWith(from)) return;
  const text = `out is ${out}, expected a folder neither within nor around ${images}: photos must not be overwritten.`;
  throw new CosFaceError('COSFACE_OPTION_RANGE', text, { argument: 'out' });
}

async function chooseLandmarks(
  { landmarks }: AlignSettings,
  photos: FaceSet,
): Promise<{ locate: LocateFace; unused: number }> {
  if (landmarks === undefined) return { locate: locateBy(await loadFaceDetector()), unused: 0 };
  const listed = await readLandmarks(landmarks);
  let used = 0;
  for (let at = 0; at < photos.size; at++) if (listed.has(photos.nameOf(at))) used++;
  const locate: LocateFace = async (_, name) => {
    const found = listed.get(name);
    if (found) return found;
    throw dataError('COSFACE_IMAGE', name, `${landmarks} has no landmarks for it.`);
  };
  return { locate, unused: listed.size - used };
}

interface Work {
  photos: FaceSet;
  locate: LocateFace;
  badFiles: BadFiles;
}

interface Residual {
  name: string;
  value: number;
}

async function alignAll(settings: AlignSettings, { photos, locate, badFiles }: Work): Promise<Residual[]> {
  const written = new Map<string, string>();
  const alignOne = async (at: number): Promise<Residual | undefined> => {
    const name = photos.nameOf(at);
    const target = join(settings.out, `${name.slice(0, -extname(name).length)}.${settings.format}`);
    let face: EncodedFace;
    try {
      const other = written.get(target);
      if (other !== undefined) throw dataError('COSFACE_IMAGE', name, `its result would overwrite that of ${other}.`);
      written.set(target, name);
      face = await encodedFace(settings, await photos.read(at), { name, locate });
    } catch (error) {
      badFiles.add(name, error);
      return undefined;
    }
    // A full disk is no fault of one photo: it ends the run.
    replaceFile(target, face.encoded);
    return { name, value: face.residual };
  };
  const tasks = new OrderedTasks(0, photos.size, alignOne, { running: PHOTOS_AT_ONCE, ahead: PHOTOS_AT_ONCE });
  const progress = createImageProgress(photos.size);
  const residuals: Residual[] = [];
  try {
    for (let done = 1; ; done++) {
      const result = await tasks.take();
      if (!result) return residuals;
      if (result.value) residuals.push(result.value);
      progress.update(done);
    }
  } finally {
    await tasks.stop();
    progress.stop();
  }
}

interface EncodedFace {
  encoded: Uint8Array;
  residual: number;
}

async function encodedFace(
  settings: AlignSettings,
  photo: Uint8Array,
  of: Omit<AlignPhotoOptions, 'template'>,
): Promise<EncodedFace> {
  const { image, residual } = await alignPhoto(photo, { ...of, template: FACE_TEMPLATES[settings.size] });
  return { encoded: await encodeImage(image, settings.format, settings.quality), residual };
}

interface Outcome {
  photos: FaceSet;
  badFiles: BadFiles;
  residuals: readonly Residual[];
  unused: number;
  seconds: number;
}

function figuresOf({ size, landmarks }: AlignSettings, outcome: Outcome): AlignFigures {
  const { photos, badFiles, residuals, unused, seconds } = outcome;
  const worst = residuals.reduce((a, b) => (b.value > a.value ? b : a), { name: '', value: 0 });
  const sum = residuals.reduce((total, { value }) => total + value, 0);
  return {
    size,
    landmarks: landmarks === undefined ? 'detector' : 'list',
    photos: photos.size,
    aligned: residuals.length,
    bad: { count: badFiles.count, named: badFiles.named },
    unusedLandmarks: unused,
    residual: { mean: sum / Math.max(1, residuals.length), largest: worst.value, worst: worst.name },
    seconds,
    photosPerSecond: photos.size / seconds,
  };
}

function report({ out }: AlignSettings, figures: AlignFigures, notes: readonly string[]): string {
  const { aligned, photos, size, residual, seconds, photosPerSecond, unusedLandmarks } = figures;
  const lines = [
    `${aligned} of ${photos} photos aligned to ${size} in ${out}, in ${seconds.toFixed(1)} s (${photosPerSecond.toFixed(0)} photos/s).`,
    ...notes.map((note) => `Note: ${note}`),
  ];
  if (aligned > 0) {
    const worst = `${residual.largest.toFixed(1)} at most (${residual.worst})`;
    lines.push(`Landmarks lie ${residual.mean.toFixed(1)} pixels off the template on average, ${worst}.`);
  }
  if (unusedLandmarks > 0) lines.push(`${unusedLandmarks} lines of landmarks are for photos that are not there.`);
  return lines.join('\n');
}
