import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeImage } from '../../src/data/decode-image.js';
import type { FaceSet } from '../../src/data/face-set.js';
import { readFeatureList } from '../../src/data/feature-list.js';
import { readLandmarks } from '../../src/data/landmarks.js';
import { openListFile } from '../../src/data/list-file.js';
import { parsePickle } from '../../src/data/pickle.js';
import { readNpy } from '../../src/data/read-npy.js';
import { openRecordSet } from '../../src/data/record-set.js';
import { readVerificationBin } from '../../src/data/verification-bin.js';
import { readQualities, readTemplateList } from '../../src/evaluate/ijb-templates.js';
import { readLfwPairs } from '../../src/evaluate/lfw-pairs.js';
import { readPairLines } from '../../src/evaluate/pair-lines.js';
import { readFeatureFolder } from '../../src/evaluate/read-feature-folder.js';
import { readYtfPairs } from '../../src/evaluate/ytf-pairs.js';
import { loadModelFolder, saveModelFolder } from '../../src/models/model-folder.js';
import { loadResidentHead, saveResidentHead } from '../../src/models/resident-head-file.js';
import { ResidentHead } from '../../src/native/index.js';
import { readCheckpoint, writeCheckpoint } from '../../src/train/checkpoint.js';
import { readSettingsFile } from '../../src/train/read-settings.js';
import { checkSettings } from '../../src/train/train-settings.js';
import { encoded, madeImage } from '../data/made-images.js';
import { pythonThree, pythonTwo } from '../data/made-pickles.js';
import { insightFaceRecords, writeRecords } from '../data/made-records.js';
import { npy } from '../evaluate/feature-files.js';
import { smallModel } from '../recognise/small-model.js';

/** A kind of file: a whole one, and what reads it, up to its end. */
export interface Format {
  whole: Uint8Array;
  /** Reads a file with these bytes; `folder` is its own. */
  read: (bytes: Buffer, folder: string) => unknown;
  /** The end is a hash. */
  hashed?: boolean;
}

const inFile =
  (name: string, read: (file: string) => unknown) =>
  (bytes: Buffer, folder: string): unknown => {
    writeFileSync(join(folder, name), bytes);
    return read(join(folder, name));
  };

async function readAll(opened: Promise<FaceSet>): Promise<void> {
  const set = await opened;
  try {
    for (let i = 0; i < Math.min(set.size, 8); i++) await set.read(i);
  } finally {
    await set.close();
  }
}

const text = (lines: string) => new TextEncoder().encode(lines);
const NAMES = ['Ann/1', 'Ann/2', 'Bob/1'];

/** Every kind of file that the package reads. `folder` is for what the whole ones are made in. */
export async function formats(folder: string): Promise<Record<string, Format>> {
  const images = await Promise.all([0, 1, 2, 3].map((kind) => encoded(madeImage(12, 14, kind))));
  const png = await encoded(madeImage(12, 14), 'png');
  const webp = await encoded(madeImage(12, 14), 'webp');
  const records = writeRecords(folder, insightFaceRecords(images.map((image, i) => [i >> 1, image] as const)));
  const index = readFileSync(join(folder, 'train.idx'));
  writeCheckpoint(join(folder, 'whole.ckpt'), {
    progress: { step: 3, state: { scale: 16 } },
    tensors: [{ name: 'net/0', shape: [2, 3], values: Float32Array.from({ length: 6 }, Math.random) }],
  });
  const head = new ResidentHead({ classes: 5, dim: 4, seed: 1, optimizer: { kind: 'adamw' } });
  await saveResidentHead(head, join(folder, 'head.cosface'));
  head.dispose();
  await saveModelFolder(join(folder, 'model'), smallModel());
  const modelFile = (name: string): Format => ({
    whole: readFileSync(join(folder, 'model', name)),
    read: async (bytes, into) => {
      cpSync(join(folder, 'model'), join(into, 'model'), { recursive: true });
      writeFileSync(join(into, 'model', name), bytes);
      (await loadModelFolder(join(into, 'model'))).model.dispose();
    },
  });
  const [rec, idx] = [readFileSync(records), index];
  const decode = (bytes: Buffer) => decodeImage(bytes, 'photo');
  return {
    npy: { whole: npy([4, 3], new Float32Array(12)), read: inFile('f.npy', (file) => readNpy({ file })) },
    'npy, float64': {
      whole: npy([4, 3], new Float64Array(12), '<f8'),
      read: inFile('f.npy', (file) => readNpy({ file })),
    },
    'pickle of Python 2': { whole: pythonTwo(images, [true, false]), read: (bytes) => parsePickle(bytes, 'lfw.bin') },
    'pickle of Python 3': { whole: pythonThree(images, [true, false]), read: inFile('lfw.bin', readVerificationBin) },
    'record file': {
      whole: rec,
      read: (bytes, into) => {
        writeFileSync(join(into, 'train.idx'), idx);
        return inFile('train.rec', (file) => readAll(openRecordSet(file)))(bytes, into);
      },
    },
    'index of a record file': {
      whole: idx,
      read: (bytes, into) => {
        writeFileSync(join(into, 'train.idx'), bytes);
        writeFileSync(join(into, 'train.rec'), rec);
        return readAll(openRecordSet(join(into, 'train.rec')));
      },
    },
    'list of images': {
      whole: text('a.jpg\tAnn\n./a.jpg\tAnn\n# note\nd.jpg,Bob\ne.jpg 3\n'),
      read: (bytes, into) => {
        for (const name of ['a.jpg', 'd.jpg', 'e.jpg']) writeFileSync(join(into, name), images[0]!);
        return inFile('list.txt', (file) => readAll(openListFile(file)))(bytes, into);
      },
    },
    landmarks: {
      whole: text('Ann/1.jpg\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10\nBob/1.jpg 1 2 3 4 5 6 7 8 9 10\n'),
      read: inFile('l.txt', readLandmarks),
    },
    'list of features': {
      whole: text('Ann/1.jpg\t0\nAnn/2.jpg\t0\nBob/1.jpg\t1\n'),
      read: inFile('l.txt', (file) => readFeatureList({ file })),
    },
    "MegaFace's list": {
      whole: text('{ "path": ["a/1.jpg", "b/2.jpg"], "id": ["a", "b"] }'),
      read: inFile('l.json', (file) => readFeatureList({ file })),
    },
    "MegaFace's features": {
      whole: Buffer.concat([
        Buffer.from(Int32Array.of(4, 1, 4, 5).buffer),
        Buffer.from(Float32Array.of(1, 2, 3, 4).buffer),
      ]),
      read: (bytes, into) => {
        writeFileSync(join(into, 'Ann_1.bin'), bytes);
        return readFeatureFolder({ file: into }, ['Ann_1'], { suffix: '.bin', list: { file: 'list' } });
      },
    },
    'pairs of LFW': {
      whole: text('2\t1\nAnn\t1\t2\nAnn\t1\tBob\t1\nBob\t1\t2\nBob\t2\tAnn\t2\n'),
      read: inFile('p.txt', (file) => [...readLfwPairs({ file })]),
    },
    'pairs of YTF': {
      whole: text('1, 1, Ann/0, Ann/1, 1\n1, 2, Ann/0, Bob/1, 0\n'),
      read: inFile('p.txt', (file) => [...readYtfPairs({ file })]),
    },
    pairs: {
      whole: text('left right same fold\nAnn/1 Ann/2 1 1\nAnn/1,Bob/1,0,2\n'),
      read: inFile('p.txt', (file) => [...readPairLines({ file })]),
    },
    templates: {
      whole: text('1.jpg 10 100\n2.jpg 10 101\n3.jpg 11 102\n'),
      read: inFile('t.txt', (file) => readTemplateList({ file })),
    },
    qualities: {
      whole: text(NAMES.map((name) => `${name} 1 2 3 4 5 6 7 8 9 10 0.9\n`).join('')),
      read: inFile('q.txt', (file) => readQualities({ file }, NAMES)),
    },
    checkpoint: {
      whole: readFileSync(join(folder, 'whole.ckpt')),
      hashed: true,
      read: inFile('c.ckpt', (file) => readCheckpoint(file, () => {})),
    },
    'resident head': {
      whole: readFileSync(join(folder, 'head.cosface')),
      hashed: true,
      read: inFile('h.cosface', async (file) => (await loadResidentHead(file)).dispose()),
    },
    'model.json': modelFile('model.json'),
    'cosface.json': modelFile('cosface.json'),
    'settings, YAML': {
      whole: readFileSync(new URL('../../examples/lfw-devtrain.yaml', import.meta.url)),
      read: inFile('s.yaml', (file) => checkSettings(readSettingsFile(file), file)),
    },
    'settings, JSON': {
      whole: text('{ "data": { "path": "x" }, "loss": { "name": "cosface", "margin": 0.35 }, "steps": 10 }'),
      read: inFile('s.json', (file) => checkSettings(readSettingsFile(file), file)),
    },
    JPEG: { whole: images[0]!, read: decode },
    PNG: { whole: png, read: decode },
    WebP: { whole: webp, read: decode },
    PGM: { whole: Buffer.concat([text('P5\n# grey\n12 14\n255\n'), Buffer.alloc(12 * 14, 7)]), read: decode },
    PPM: { whole: Buffer.concat([text('P6 12 14 65535\n'), Buffer.alloc(12 * 14 * 6, 7)]), read: decode },
  };
}
