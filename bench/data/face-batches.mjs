// How many images a second faceBatches delivers, and how its memory behaves over many steps.
//
//   npm run build && node bench/data/face-batches.mjs FOLDER [--size 112x96] [--images 8192] [--steps 0] [--json FILE]
//
// FOLDER has identity folders. Every way is run twice over the same images, interleaved, the better time counts; all ways
// must give the same bits, or nothing is printed but the difference. Nobody works on the batches in between: this is
// the most that a trainer could get. --steps N looks at memory instead: N batches of 32 by one thread, epoch after epoch.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { BadFiles, epochOrder, faceBatches, ImageCache, openFaces } from '../../dist/data/index.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: 'string', default: '112x96' },
    images: { type: 'string', default: '8192' },
    steps: { type: 'string', default: '0' },
    json: { type: 'string' },
  },
});
if (positionals.length !== 1) {
  console.error(
    'usage: node bench/data/face-batches.mjs FOLDER [--size 112x96] [--images 8192] [--steps 0] [--json FILE]',
  );
  process.exit(2);
}
const [height, width] = values.size.split('x').map(Number);
const BATCH = 128;
const EVERYTHING = {
  flip: 0.5,
  shift: 0.05,
  zoom: 0.1,
  rotation: 0.1,
  brightness: 0.3,
  contrast: 0.3,
  saturation: 0.3,
  blur: { probability: 0.2, sigma: 1.5 },
  lowResolution: { probability: 0.2, smallest: 0.3 },
  erase: { probability: 0.3, share: 0.3 },
};
const AUGMENTATIONS = { none: undefined, flip: { flip: 0.5 }, everything: EVERYTHING };

const faces = await openFaces(positionals[0]);
const count = Math.min(faces.size, Number(values.images));
const order = epochOrder(faces.size, 'bench', 0).subarray(0, count);
const mebibytes = (bytes) => Math.round(bytes / 2 ** 20);

async function run(augmentation, threads, cache) {
  const badFiles = new BadFiles('skip');
  const hash = createHash('sha256');
  let [images, first, largest] = [0, 0, 0];
  const start = performance.now();
  const before = process.cpuUsage();
  const options = { width, height, batchSize: BATCH, order, seed: 1, augmentation, threads, badFiles, cache };
  for await (const { pixels, labels } of faceBatches(faces, options)) {
    hash.update(labels).update(new Uint8Array(pixels.buffer, pixels.byteOffset, 4096));
    images += labels.length;
    const { rss } = process.memoryUsage();
    // The first ten batches fill what is kept anyway: threads, code, buffers.
    if (images <= 10 * BATCH) first = Math.max(first, rss);
    largest = Math.max(largest, rss);
  }
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  return {
    seconds,
    images,
    cpuMs: (user + system) / 1000 / images,
    bits: hash.digest('hex').slice(0, 16),
    firstMiB: mebibytes(first),
    largestMiB: mebibytes(largest),
  };
}

if (Number(values.steps) > 0) {
  await watchMemory(Number(values.steps));
  process.exit();
}

/** The resident set after every tenth of the steps. */
async function watchMemory(steps) {
  const start = performance.now();
  let step = 0;
  for (let epoch = 0; step < steps; epoch++) {
    const order = epochOrder(faces.size, 1, epoch).subarray(0, count);
    const options = { width, height, batchSize: 32, order, seed: 1, epoch, augmentation: EVERYTHING, threads: 1 };
    for await (const batch of faceBatches(faces, options)) {
      if (batch.labels.length < 1 || step >= steps) break;
      step++;
      if (step % Math.ceil(steps / 10) !== 0) continue;
      const { rss, heapUsed } = process.memoryUsage();
      const seconds = ((performance.now() - start) / 1000).toFixed(0);
      console.log(`step ${step}: ${mebibytes(rss)} MiB resident, ${mebibytes(heapUsed)} MiB heap, ${seconds} s`);
    }
  }
}

const rows = [];
const cache = new ImageCache(2 ** 30);
await run(undefined, 0, cache);
for (const [name, augmentation] of Object.entries(AUGMENTATIONS)) {
  const ways = [{ threads: 0 }, { threads: 1 }, { threads: 2 }, { threads: 2, cache }];
  const results = ways.map(() => []);
  for (let repeat = 0; repeat < 2; repeat++) {
    for (const [at, way] of ways.entries()) results[at].push(await run(augmentation, way.threads, way.cache));
  }
  if (new Set(results.flat().map(({ bits }) => bits)).size > 1) {
    console.error(`${name}: the bits differ between ways`, results.flat());
    process.exit(1);
  }
  for (const [at, way] of ways.entries()) {
    const best = results[at].reduce((a, b) => (b.seconds < a.seconds ? b : a));
    const row = {
      augmentation: name,
      threads: way.threads,
      cached: Boolean(way.cache),
      imagesPerSecond: Math.round(best.images / best.seconds),
      cpuMsPerImage: Number(Math.min(...results[at].map(({ cpuMs }) => cpuMs)).toFixed(2)),
      firstMiB: results[at][0].firstMiB,
      largestMiB: results[at][0].largestMiB,
    };
    rows.push(row);
    console.log(JSON.stringify(row));
  }
}
const machine = { cpu: cpus()[0]?.model, cores: availableParallelism(), node: process.version };
if (values.json)
  writeFileSync(
    values.json,
    JSON.stringify({ machine, size: values.size, images: count, batch: BATCH, rows }, null, 2),
  );
