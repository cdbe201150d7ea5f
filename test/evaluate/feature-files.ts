import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder for the files of a test; the caller removes it. */
export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'cosface-evaluate-'));
}

/** The bytes of a .npy as NumPy writes version 1. */
export function npy(shape: readonly number[], values: ArrayBufferView, descr = '<f4', order = 'False'): Buffer {
  const dict = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${shape.join(', ')}), }`;
  const header = `${dict.padEnd(Math.ceil((dict.length + 11) / 64) * 64 - 11)}\n`;
  const start = Buffer.from(`\x93NUMPY\x01\x00..${header}`, 'latin1');
  start.writeUInt16LE(header.length, 8);
  return Buffer.concat([start, Buffer.from(values.buffer, values.byteOffset, values.byteLength)]);
}

/** Writes rows of features and their names. */
export function writeFeatures(
  folder: string,
  key: string,
  rows: ReadonlyArray<readonly [name: string, features: ArrayLike<number>]>,
): { features: string; list: string } {
  const dim = rows[0]![1].length;
  const values = Float32Array.from(rows.flatMap(([, features]) => Array.from(features)));
  const [features, list] = [join(folder, `${key}.npy`), join(folder, `${key}.txt`)];
  writeFileSync(features, npy([rows.length, dim], values));
  writeFileSync(list, rows.map(([name]) => `${name}\n`).join(''));
  return { features, list };
}
