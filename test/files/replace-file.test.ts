import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { outputError } from '../../src/files/output-error.js';
import { replaceFile } from '../../src/files/replace-file.js';
import { temporaryFolder } from '../data/made-images.js';

test('a file appears whole, in parts given one after the other, its folders with it', () => {
  const file = join(temporaryFolder(), 'a', 'b.bin');
  replaceFile(file, [Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3)], { durable: true });
  expect([...readFileSync(file)]).toEqual([1, 2, 3]);
});

test('what cannot be written leaves the old file, and no draft', () => {
  const folder = temporaryFolder();
  const taken = join(folder, 'taken');
  mkdirSync(taken);
  writeFileSync(join(taken, 'x'), '');
  expect(() => replaceFile(taken, 'text')).toThrow(/^COSFACE_OUTPUT: .*taken could not be written: it is a folder/);
  expect(readdirSync(folder)).toEqual(['taken']);
  expect(existsSync(join(taken, 'x'))).toBe(true);
});

test('the words of a full disk', () => {
  const error = outputError('runs/a/last.ckpt', Object.assign(new Error('write'), { code: 'ENOSPC' }));
  expect(error.code).toBe('COSFACE_OUTPUT');
  expect(error.message).toContain('runs/a/last.ckpt could not be written: the disk is full. Make room');
});
