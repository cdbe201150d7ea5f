import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readFeatureList } from '../../src/data/feature-list.js';
import { readNpy } from '../../src/data/read-npy.js';
import { saveModelFolder } from '../../src/models/model-folder.js';
import { encoded, madeImage } from '../data/made-images.js';
import { pythonThree } from '../data/made-pickles.js';
import { smallModel } from '../recognise/small-model.js';
import { root, runCli } from './run-cli.js';

let folder: string;
const at = (...names: string[]) => join(folder, ...names);
const using = (name = 'model') => ['--model', at(name), '--backend', 'wasm'];

beforeAll(async () => {
  tf.setBackend('cpu');
  folder = mkdtempSync(join(tmpdir(), 'cosface-model-'));
  await saveModelFolder(at('model'), smallModel({ flip: 'concatenate' }));
  await saveModelFolder(at('undecided'), smallModel({ decides: false }));
  for (const [kind, name] of ['Ann', 'Bob', 'Cid'].entries()) {
    mkdirSync(at('faces', name), { recursive: true });
    for (const i of [1, 2])
      writeFileSync(at('faces', name, `${name}_000${i}.png`), await encoded(madeImage(16, 24, 60 * kind + i), 'png'));
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('evaluate', () => {
  test('a model and images', () => {
    const pairs = at('pairs.txt');
    writeFileSync(pairs, '2\t1\nAnn\t1\t2\nAnn\t1\tBob\t1\nCid\t1\t2\nCid\t1\tBob\t2\n');
    const args = ['evaluate', ...using(), '--protocol', 'lfw', '--pairs', pairs];
    const { status, stdout, stderr } = runCli([
      ...args,
      '--images',
      at('faces'),
      '--json',
      '-',
      '--out',
      at('pictures'),
    ]);
    expect(status, stderr).toBe(0);
    const figures = JSON.parse(stdout);
    expect(figures).toMatchObject({ features: { file: at('model'), rows: 6 }, flip: 'concatenate', pairs: 4 });
    expect(existsSync(at('pictures', 'roc.png'))).toBe(true);
    const neither = runCli(args);
    expect([neither.status, neither.stderr]).toEqual([
      1,
      expect.stringContaining('either --features and --list, or --model'),
    ]);
  });

  test("InsightFace's .bin brings images and pairs", async () => {
    const kinds = Array.from({ length: 20 }, (_, pair) => [60 * (pair % 3), 60 * ((pair + (pair % 2)) % 3)] as const);
    const images = await Promise.all(
      kinds.flat().map(async (kind, i) => encoded(madeImage(16, 24, kind + (i % 2)), 'png')),
    );
    const bin = at('own.bin');
    writeFileSync(
      bin,
      pythonThree(
        images,
        kinds.map(([left, right]) => left === right),
      ),
    );
    const args = ['evaluate', '--images', bin, ...using(), '--protocol'];
    const { status, stdout, stderr } = runCli([...args, 'lfw', '--json', '-']);
    expect(status, stderr).toBe(0);
    const figures = JSON.parse(stdout);
    expect(figures).toMatchObject({ genuine: 10, impostor: 10, foldsFrom: 'dealt', pairsFile: bin, skippedPairs: 0 });
    expect(figures.variants.map(({ accuracy }: { accuracy: number }) => accuracy)).toEqual([1, 1, 1, 1]);
    for (const [protocol, more, says] of [
      ['megaface', [], 'COSFACE_UNSUPPORTED: '],
      ['lfw', ['--pairs', bin], 'COSFACE_OPTION_RANGE: --pairs is of no use'],
    ] as const)
      expect(runCli([...args, protocol, ...more]).stderr).toContain(says);
  });
});

describe('embed', () => {
  test('a .npy and its list; bad images named, counted, left out', () => {
    writeFileSync(at('faces', 'Bob', 'Bob_0003.jpg'), '');
    const args = ['embed', at('faces'), ...using(), '--out', at('out', 'f.npy'), '--batch', '2', '--json', '-'];
    const { status, stdout, stderr } = runCli(args);
    rmSync(at('faces', 'Bob', 'Bob_0003.jpg'));
    expect(status, stderr).toBe(0);
    expect(stderr).toContain('1 image could not be used:\n  COSFACE_IMAGE: ');
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ images: 7, rows: 6, size: 8, flip: 'concatenate', backend: 'wasm', resumedAt: 0 },
      bad: { count: 1, named: [{ name: 'Bob/Bob_0003.jpg' }] },
    });
    expect(readNpy({ file: at('out', 'f.npy') })).toMatchObject({ rows: 6, dim: 8 });
    expect(readFeatureList({ file: at('out', 'f.txt') }).names[3]).toBe('Bob/Bob_0002.png');
  });

  test('words for people; what cannot be', () => {
    const run = (...args: string[]) => runCli(['embed', at('faces'), ...using(), ...args]);
    const { stdout } = run('--out', at('g.npy'), '--list', at('names.txt'), '--flip', 'separate', '--threads', '0');
    expect(stdout).toMatch(/^6 of 6 images embedded in \d+\.\d s \(\d+ images\/s, wasm\): .*g\.npy, .*g\.flipped\.npy/);
    expect(existsSync(at('names.txt'))).toBe(true);
    for (const [args, says] of [
      [['embed', at('none'), ...using(), '--out', at('x.npy')], 'none: there is no such file or folder'],
      [['embed', at('faces'), ...using('faces'), '--out', at('x.npy')], 'COSFACE_MODEL: '],
      [['embed', at('faces'), ...using(), '--out', at('names.txt', 'x.npy')], 'COSFACE_OUTPUT: '],
      [['embed', at('faces'), ...using(), '--out', at('x.npy'), '--list', at('x.npy')], 'COSFACE_OPTION_RANGE: '],
    ] as const) {
      const { status, stderr } = runCli([...args]);
      expect(stderr).toContain(says);
      expect(stderr).not.toContain('    at ');
      expect(status).toBe(1);
    }
    expect(run('--out', at('x.npy'), '--batch', '0').status).toBe(2);
    expect(run().status).toBe(2);
  });
});

describe('verify', () => {
  const photos = () => [at('faces', 'Ann', 'Ann_0001.png'), at('faces', 'Bob', 'Bob_0001.png')];

  test('the score, the threshold, and what it was worth on which data', () => {
    const { status, stdout } = runCli(['verify', ...photos(), ...using()]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^score -?\d\.\d{4}: (the same person|two people)\nthreshold 0\.9000: /);
    expect(stdout).toContain('accepted at most 1e-3 of the pairs of two people (false accept rate)');
    expect(stdout).toContain('75.00 % of those of one person, on 40 people held out\n  (5,000 and 200 pairs)');
    const figures = JSON.parse(runCli(['verify', ...photos(), ...using(), '--json', '-']).stdout);
    expect(figures).toMatchObject({
      left: photos()[0],
      threshold: { from: 'model', cosine: 0.9, data: '40 people held out' },
    });
    expect(stdout).toContain(`score ${figures.score.toFixed(4)}`);
  });

  test('another threshold, or none', () => {
    const given = runCli(['verify', ...photos(), ...using(), '--threshold', '-1']).stdout;
    expect(given).toMatch(/: the same person\nthreshold -1\.0000, as given; how often it errs is not known/);
    expect(runCli(['verify', ...photos(), ...using('undecided')]).stdout).toMatch(
      /^score \S+\nThe model has no threshold/,
    );
    expect(runCli(['verify', ...photos(), ...using(), '--threshold', '2']).status).toBe(2);
    const { status, stderr } = runCli(['verify', at('no.jpg'), ...photos().slice(1), ...using()]);
    expect([status, stderr]).toEqual([1, expect.stringContaining('no.jpg: there is no such file')]);
  });
});

describe('identify', () => {
  test('the nearest people of a folder, or of the files of embed', () => {
    const photos = [at('faces', 'Cid', 'Cid_0002.png'), at('faces', 'Ann', 'Ann_0001.png')];
    const run = (...args: string[]) => runCli(['identify', ...photos, ...using(), ...args]);
    const { status, stdout, stderr } = run('--gallery', at('faces'), '--top', '2', '--json', '-');
    expect(status, stderr).toBe(0);
    const figures = JSON.parse(stdout);
    expect(figures).toMatchObject({ gallery: { images: 6, people: 3 }, threshold: { from: 'model' } });
    expect(figures.photos[0].matches).toHaveLength(2);
    expect(figures.photos[0].matches[0]).toMatchObject({ identity: 'Cid', image: 'Cid/Cid_0002.png', accepted: true });
    runCli(['embed', at('faces'), ...using(), '--out', at('gallery.npy')]);
    const again = JSON.parse(run('--gallery', at('gallery.npy'), '--top', '2', '--json', '-').stdout);
    expect(again.photos.map(({ matches }: { matches: object[] }) => matches[0])).toMatchObject(
      figures.photos.map(({ matches }: { matches: { identity: string; image: string }[] }) => ({
        identity: matches[0]?.identity,
        image: matches[0]?.image,
      })),
    );
    const words = run('--gallery', at('gallery.npy')).stdout;
    expect(words).toMatch(/Cid_0002\.png\n {2}\+ 1\.0000 {2}Cid {2}\(Cid\/Cid_0002\.png\)/);
    expect(words).toContain('+ accepted, - not');
  });

  test('a gallery of another model', () => {
    runCli(['embed', at('faces'), ...using('undecided'), '--out', at('other.npy')]);
    const photo = at('faces', 'Cid', 'Cid_0002.png');
    const { status, stderr } = runCli(['identify', photo, ...using(), '--gallery', at('other.npy')]);
    expect([status, stderr]).toEqual([1, expect.stringContaining('the gallery has 4 features an image')]);
  });
});

test('docs/use.md names every option', () => {
  const text = readFileSync(join(root, 'docs', 'use.md'), 'utf8');
  for (const command of ['embed', 'verify', 'identify'])
    for (const [option] of runCli([command, '--help']).stdout.matchAll(/^ {2}--[a-z-]+/gm))
      expect(text, command).toContain(`\`${option.trim()}`);
});
