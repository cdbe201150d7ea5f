// Random features of a protocol's size, to time `cosface evaluate` where the real ones may not be had.
//
//   node bench/evaluate/random-features.mjs FOLDER                    # MegaFace: probes.npy, probes.txt, crowd.npy (2 GB)
//   node bench/evaluate/random-features.mjs FOLDER --pairs pairs.txt  # LFW's pairs.txt: lfw.npy, lfw.txt
//
// 512 features; a person's rows are a centre and noise, distractors noise alone.
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const DIM = 512;
const [PROBES, PEOPLE, DISTRACTORS] = [3530, 80, 1_000_000];
const BLOCK = 1000;

const { values, positionals } = parseArgs({ allowPositionals: true, options: { pairs: { type: 'string' } } });
const [folder] = positionals;
if (folder === undefined) {
  console.error('usage: node bench/evaluate/random-features.mjs FOLDER [--pairs pairs.txt]');
  process.exit(2);
}
mkdirSync(folder, { recursive: true });

// Numerical Recipes' linear congruential generator: half a thousand million numbers in seconds.
let state = 12345;
/** In [-1, 1). */
function next() {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return state / 2 ** 31;
}

function newCentre() {
  return Float32Array.from({ length: DIM }, next);
}

/** A .npy whose rows `fill` makes. */
function writeRows(name, rows, fill) {
  const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${DIM}), }`;
  const header = Buffer.alloc(128, ' ');
  header.write('\x93NUMPY\x01\x00', 'latin1');
  header.writeUInt16LE(118, 8);
  header.write(dict, 10);
  header.write('\n', 127);
  const file = openSync(join(folder, name), 'w');
  writeSync(file, header);
  const block = new Float32Array(BLOCK * DIM);
  for (let from = 0; from < rows; from += BLOCK) {
    const count = Math.min(BLOCK, rows - from);
    for (let row = 0; row < count; row++) fill(block.subarray(row * DIM, (row + 1) * DIM), from + row);
    writeSync(file, new Uint8Array(block.buffer, 0, count * DIM * 4));
  }
  closeSync(file);
}

function writeMegaFace() {
  const centres = Array.from({ length: PEOPLE }, newCentre);
  writeRows('probes.npy', PROBES, (row, at) => {
    for (let k = 0; k < DIM; k++) row[k] = centres[at % PEOPLE][k] + 2 * next();
  });
  const lines = Array.from({ length: PROBES }, (_, at) => `p${at % PEOPLE}/${at}.png\tp${at % PEOPLE}\n`);
  writeFileSync(join(folder, 'probes.txt'), lines.join(''));
  writeRows('crowd.npy', DISTRACTORS, (row) => {
    for (let k = 0; k < DIM; k++) row[k] = next();
  });
}

function writeLfw(pairs) {
  const names = new Set();
  const add = (name, i) => names.add(`${name}/${name}_${i.padStart(4, '0')}.jpg`);
  for (const line of readFileSync(pairs, 'utf8').trim().split('\n').slice(1)) {
    const [name, i, ...other] = line.split('\t');
    add(name, i);
    if (other.length === 1) add(name, other[0]);
    else add(other[0], other[1]);
  }
  const centres = new Map();
  const images = [...names];
  writeRows('lfw.npy', images.length, (row, at) => {
    const [person] = images[at].split('/');
    if (!centres.has(person)) centres.set(person, newCentre());
    const centre = centres.get(person);
    for (let k = 0; k < DIM; k++) row[k] = centre[k] + 3 * next();
  });
  writeFileSync(join(folder, 'lfw.txt'), `${images.join('\n')}\n`);
}

if (values.pairs === undefined) writeMegaFace();
else writeLfw(values.pairs);
