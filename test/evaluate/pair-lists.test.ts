import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { readFeatureList } from '../../src/data/feature-list.js';
import { textLines } from '../../src/data/text-lines.js';
import { featureRows } from '../../src/evaluate/feature-rows.js';
import { readLfwPairs } from '../../src/evaluate/lfw-pairs.js';
import type { NamedPair } from '../../src/evaluate/named-pair.js';
import { readPairLines } from '../../src/evaluate/pair-lines.js';
import { readYtfPairs } from '../../src/evaluate/ytf-pairs.js';
import { temporaryFolder } from './feature-files.js';

const folder = temporaryFolder();
afterAll(() => rmSync(folder, { recursive: true }));
const place = { file: join(folder, 'list.txt'), argument: '--pairs' };
const realLists = fileURLToPath(new URL('../../../shared/data/lists/', import.meta.url));

function reading<T>(read: (at: typeof place) => Iterable<T>, text: string | Buffer): T[] {
  writeFileSync(place.file, text);
  return [...read(place)];
}

describe('lines', () => {
  test('ends, byte order mark, missing last end, and characters across pieces', () => {
    expect(reading(textLines, '\ufeffone\r\n\ntwo').map(({ text }) => text)).toEqual(['one', '', 'two']);
    const long = `${'é'.repeat(30_000)}\n`.repeat(40);
    const lines = reading(textLines, long);
    expect(lines).toHaveLength(40);
    expect(lines.every(({ text }) => text === 'é'.repeat(30_000))).toBe(true);
  });

  test('no text', () => {
    expect(() => reading(textLines, 'a\nb\0c\n')).toThrow(`${place.file}:2: the line has a zero byte`);
    expect(() => reading(textLines, 'x'.repeat(3_000_000))).toThrow(`${place.file}:1: the line is longer than`);
  });
});

describe("LFW's pairs.txt", () => {
  const good = ['2\t1', 'A\t1\t2', 'A\t1\tB\t12', 'B\t3\t4', 'C\t1\tA\t2'];

  test('folds, genuine and impostor lines', () => {
    expect(reading(readLfwPairs, good.join('\n'))).toEqual<NamedPair[]>([
      { left: 'A/A_0001', right: 'A/A_0002', same: true, fold: 0, line: 2 },
      { left: 'A/A_0001', right: 'B/B_0012', same: false, fold: 0, line: 3 },
      { left: 'B/B_0003', right: 'B/B_0004', same: true, fold: 1, line: 4 },
      { left: 'C/C_0001', right: 'A/A_0002', same: false, fold: 1, line: 5 },
    ]);
  });

  test.each([
    { name: 'no head', lines: good.slice(1), says: ":1: 'A\t1\t2' is no head" },
    { name: 'empty', lines: [], says: ':1: ' },
    { name: 'cut off', lines: good.slice(0, -1), says: 'has 3 pairs, but line 1 announces 4' },
    { name: 'too long', lines: [...good, 'D\t1\t2'], says: ':6: ' },
    { name: 'an impostor line for a genuine one', lines: good.with(1, 'A\t1\tB\t2'), says: ':2: ' },
    { name: 'no number', lines: good.with(3, 'B\tx\t4'), says: ":4: 'B\tx\t4' is no genuine pair" },
    { name: 'an impostor pair of one person', lines: good.with(2, 'A\t1\tA\t2'), says: ':3: ' },
  ])('$name', ({ lines, says }) => {
    expect(() => reading(readLfwPairs, lines.join('\n'))).toThrow(says);
  });

  test.skipIf(!existsSync(realLists))('the official lists', () => {
    const pairs = [...readLfwPairs({ file: `${realLists}lfw_official_pairs.txt` })];
    expect(pairs).toHaveLength(6000);
    for (let fold = 0; fold < 10; fold++) {
      const own = pairs.filter((pair) => pair.fold === fold);
      expect([own.length, own.filter(({ same }) => same).length]).toEqual([600, 300]);
    }
    const tuning = [...readLfwPairs({ file: `${realLists}lfw_official_pairsDevTrain.txt` })];
    expect([tuning.length, tuning.filter(({ same }) => same).length]).toEqual([2200, 1100]);
  });
});

describe("YouTube Faces' splits.txt", () => {
  test('with headings and without', () => {
    const pair = '3, 2, Ann_B/0, Cy/4, 0';
    const expected = { left: 'Ann_B/0', right: 'Cy/4', same: false, fold: 2 };
    expect(reading(readYtfPairs, pair)).toEqual([{ ...expected, line: 1 }]);
    expect(reading(readYtfPairs, `split number, pair number, first, second, same\n${pair}`)).toEqual([
      { ...expected, line: 2 },
    ]);
  });

  test.each(['1, 1, A/1, B/2', '1, 1, A/1, B/2, 2', 'x, 1, A/1, B/2, 1', '1, 1, , B/2, 1', '0, 1, A/1, B/2, 1'])(
    'malformed: %s',
    (line) => {
      expect(() => reading(readYtfPairs, `1, 1, A/0, A/1, 1\n${line}`)).toThrow(`COSFACE_DATA: ${place.file}:2: `);
    },
  );

  test.skipIf(!existsSync(realLists))('the official list', () => {
    const pairs = [...readYtfPairs({ file: `${realLists}ytf_splits.txt` })];
    expect([
      pairs.length,
      pairs.filter(({ same }) => same).length,
      new Set(pairs.map(({ fold }) => fold)).size,
    ]).toEqual([5000, 2500, 10]);
  });
});

describe('plain pairs', () => {
  test('tabs, commas or spaces; headings; folds', () => {
    const expected = [
      { left: 'a b.jpg', right: 'c', same: true, fold: 4, line: 2 },
      { left: 'd', right: 'e', same: false, fold: 5, line: 3 },
    ];
    expect(reading(readPairLines, 'left\tright\tsame\tfold\na b.jpg\tc\t1\t4\nd\te\t0\t5')).toEqual(expected);
    expect(reading(readPairLines, 'left,right,is_same,fold\na b.jpg,c,True,4\nd,e,false,5')).toEqual(expected);
    expect(reading(readPairLines, '1 22 1\n3 4 -1\n')).toMatchObject([{ same: true, fold: -1 }, { same: false }]);
  });

  test.each([
    { name: 'no answer', text: 'a b 1\na b', says: ':2: ' },
    { name: 'another answer', text: 'a b 1\na b maybe', says: ':2: ' },
    { name: 'another number of columns', text: 'a b 1\na b 1 3', says: ':2: ' },
    { name: 'a fold that is none', text: 'a b 1 x', says: ':1: ' },
    { name: 'nothing', text: '\n', says: 'there is no pair' },
  ])('$name', ({ text, says }) => {
    expect(() => reading(readPairLines, text)).toThrow(says);
  });
});

describe('the list of features', () => {
  const list = (text: string) => {
    writeFileSync(place.file, text);
    return readFeatureList(place);
  };

  test('names, labels behind a tab, labels behind a space on every line, JSON', () => {
    expect(list('a b.jpg\nc.jpg\n\n')).toEqual({ names: ['a b.jpg', 'c.jpg'], labels: undefined });
    expect(list('a b\tAnn\nc\tCy\n')).toEqual({ names: ['a b', 'c'], labels: ['Ann', 'Cy'] });
    expect(list('a.jpg 0\nc.jpg -1\n')).toEqual({ names: ['a.jpg', 'c.jpg'], labels: ['0', '-1'] });
    expect(list('a 1\nc\n')).toEqual({ names: ['a 1', 'c'], labels: undefined });
    expect(list('{ "path": ["a", "b"], "id": ["x", 7] }')).toEqual({ names: ['a', 'b'], labels: ['x', '7'] });
  });

  test.each([
    { name: 'a name twice', text: 'a\nb\na\n', says: ":3: line 3 has 'a' as line 1 does" },
    { name: 'an empty line within', text: 'a\n\nb\n', says: ':2: the line is empty' },
    { name: 'a label that lacks', text: 'a\t1\nb\n', says: ":2: 'b' has not two columns" },
    { name: 'nothing', text: '\n', says: 'the list is empty' },
    { name: 'JSON of two lengths', text: '{ "path": ["a"], "id": ["x", "y"] }', says: 'is not as it should be' },
    { name: 'JSON cut off', text: '{ "path": ["a"', says: 'no JSON' },
    { name: 'a name twice in JSON', text: '{ "path": ["a", "a"] }', says: "path[1] has 'a' as path[0] does" },
  ])('$name', ({ text, says }) => {
    expect(() => list(text)).toThrow(says);
  });

  test('a name means the one row that ends with it, or that it ends with', () => {
    const { find } = featureRows(['lfw/Ann/Ann_0001.jpg', 'Cy_0001.png', 'x/d.jpg', 'y/d.jpg', 'd']);
    const rows = ['Ann/Ann_0001', 'Cy/Cy_0001', 'lfw/Ann/Ann_0001.png', 'nn/Ann_0001', 'x/d', 'd'];
    expect(rows.map((name) => find(name, place))).toEqual([0, 1, 0, -1, 2, 4]);
    expect(() => featureRows(['x/d.jpg', 'y/d.jpg']).find('d', place)).toThrow("'d' may mean 'x/d.jpg' or 'y/d.jpg'");
  });
});
