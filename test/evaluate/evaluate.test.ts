import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { evaluate } from '../../src/evaluate/evaluate.js';
import type { IjbEvaluation, LfwEvaluation, PairsEvaluation, YtfEvaluation } from '../../src/evaluate/evaluation.js';
import { evaluationPictures } from '../../src/evaluate/evaluation-pictures.js';
import type { EvaluateRequest } from '../../src/evaluate/request.js';
import { seededRandom } from '../../src/train/random.js';
import { npy, temporaryFolder, writeFeatures } from './feature-files.js';

const folder = temporaryFolder();
afterAll(() => rmSync(folder, { recursive: true }));
const shared = fileURLToPath(new URL('../../../shared/data/', import.meta.url));

function request(options: Partial<EvaluateRequest> & Pick<EvaluateRequest, 'protocol' | 'features' | 'list'>) {
  return { missing: 'error', confidence: 0.95, variant: 'exact', ranks: 10, histogram: true, ...options } as const;
}

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** The unit vector at so many degrees: cosines of pairs are cosines of differences. */
const at = (degrees: number) => [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
const cosine = (degrees: number) => expect.closeTo(Math.cos((degrees * Math.PI) / 180), 6);

describe('any pairs', () => {
  const files = writeFeatures(folder, 'four', [
    ['a', at(0)],
    ['b', at(30)],
    ['c', at(90)],
    ['d', at(150)],
  ]);
  // Genuine at 30 and 60 degrees, impostors at 60, 90 and 150.
  const pairs = write('pairs.txt', 'left right same\na b 1\nc d 1\nb c 0\na c 0\na d 0\n');

  test('a case worked by hand', () => {
    const result = evaluate(request({ protocol: 'pairs', ...files, pairs, far: [0.1, 0.5] })) as PairsEvaluation;
    expect(result).toMatchObject({ pairs: 5, genuine: 2, impostor: 3, skippedPairs: 0, accuracy: null, flip: null });
    // Genuine 0.87 beats all three; 0.5 ties with one and beats two: (3 + 2.5) / 6. (Ties to a rounding: see below.)
    expect(result.auc).toBeGreaterThanOrEqual(5 / 6);
    expect(result.auc).toBeLessThanOrEqual(1);
    expect(result.tarAtFar[0]).toMatchObject({ far: 0.1, falseAccepts: 0, resolved: false });
    expect(result.tarAtFar[1]).toMatchObject({ far: 0.5, tar: 1, falseAccepts: 1, resolved: true });
    expect(result.scores.genuine).toMatchObject({ least: cosine(60), most: cosine(30) });
    expect(result.scores.impostor).toMatchObject({ least: cosine(150), most: cosine(60) });
    expect(result.histogram.genuine.reduce((sum, count) => sum + count, 0)).toBe(2);
    expect(result.histogram.impostor[50] ?? 0).toBeLessThanOrEqual(1);
  });

  test('mirrored images are concatenated', () => {
    const flipped = join(folder, 'flipped.npy');
    // Every mirror image has the same feature: all cosines become (1 + cos) / 2.
    writeFileSync(flipped, npy([4, 2], Float32Array.of(1, 0, 1, 0, 1, 0, 1, 0)));
    const result = evaluate(request({ protocol: 'pairs', ...files, pairs, flipped })) as PairsEvaluation;
    expect(result.flip).toBe('concatenate');
    expect(result.scores.impostor.least).toBeCloseTo((1 + Math.cos((150 * Math.PI) / 180)) / 2, 6);
  });

  test('what lacks features is an error with its line, or skipped and counted', () => {
    const more = write('more.txt', 'a b 1\na c 0\na nobody 0\n');
    expect(() => evaluate(request({ protocol: 'pairs', ...files, pairs: more }))).toThrow(
      `COSFACE_MISSING_FEATURE: ${more}:3: there are no features of the image 'nobody'`,
    );
    const left = evaluate(request({ protocol: 'pairs', ...files, pairs: more, missing: 'skip' }));
    expect(left).toMatchObject({ pairs: 2, skippedPairs: 1 });
    const none = write('none.txt', 'a b 1\na nobody 0\n');
    expect(() => evaluate(request({ protocol: 'pairs', ...files, pairs: none, missing: 'skip' }))).toThrow(
      '1 genuine and 0 impostor pairs are left after 1 were skipped',
    );
  });

  test('a list of another length, --pairs left out', () => {
    const list = write('short.txt', 'a\nb\n');
    expect(() => evaluate(request({ protocol: 'pairs', ...files, list, pairs }))).toThrow('has 2 names, but');
    expect(() => evaluate(request({ protocol: 'pairs', ...files }))).toThrow('--pairs is missing');
  });

  test('pictures with their series, without NaN', () => {
    const pictures = evaluationPictures(evaluate(request({ protocol: 'pairs', ...files, pairs })));
    expect(pictures.map(({ key }) => key)).toEqual(['roc', 'scores']);
    for (const { svg } of pictures) expect(svg).not.toMatch(/NaN|Infinity/);
    expect(pictures[1]!.svg).toContain('>genuine pairs</text>');
  });
});

describe('YouTube Faces', () => {
  const rows: Array<[string, number[]]> = [
    ['db/A/0/0.1.jpg', at(0)],
    ['db/A/0/0.2.jpg', at(60).map((x) => 3 * x)],
    ['db/A/1/1.1.jpg', at(30)],
    ['db/B/0/0.1.jpg', at(90)],
  ];
  const files = writeFeatures(folder, 'ytf', rows);
  const pairs = write('splits.txt', '1, 1, A/0, A/1, 1\n1, 2, A/0, B/0, 0\n2, 1, A/0, A/1, 1\n2, 2, A/1, B/0, 0');

  test.each([
    // The mean of unit vectors at 0 and 60 degrees lies at 30.
    { pooling: 'unit-mean' as const, genuine: 1 },
    // With the second three times as long it lies at atan2(3 sin 60, 1 + 3 cos 60) = 46.1 degrees.
    { pooling: 'raw-mean' as const, genuine: Math.cos(Math.atan2(1.5 * Math.sqrt(3), 2.5) - Math.PI / 6) },
    // Both frames are 30 degrees from A/1.
    { pooling: 'frame-pairs' as const, genuine: Math.cos(Math.PI / 6) },
  ])('$pooling', ({ pooling, genuine }) => {
    const result = evaluate(request({ protocol: 'ytf', ...files, pairs, pooling })) as YtfEvaluation;
    expect(result).toMatchObject({ pooling, videos: 3, accuracy: 1, foldsFrom: 'list' });
    expect(result.scores.genuine.mean).toBeCloseTo(genuine, 6);
  });

  test('a pooling of another protocol', () => {
    const wrong = { ...request({ protocol: 'ijb', ...files, pairs }), pooling: 'frame-pairs' as const };
    expect(() => evaluate(wrong)).toThrow("--pooling is 'frame-pairs', expected one of raw-mean, unit-mean");
  });
});

describe('IJB', () => {
  const vectors = [
    [1, 0],
    [0, 1],
    [0, 3],
    [1, 1],
    [0, 2],
    [5, 0],
  ];
  const features = join(folder, 'ijb.npy');
  writeFileSync(features, npy([6, 2], Float32Array.from(vectors.flat())));
  // Template 7: medium 1 is a still [1, 0]; medium 2 has two frames, of mean [0, 2]. Sum [1, 2].
  const list = write('tid_mid.txt', '1.jpg 7 1\n2.jpg 7 2\n3.jpg 7 2\n4.jpg 8 3\n5.jpg 9 4\n6.jpg 10 5\n');
  const pairs = write('pair_label.txt', '7 8 1\n8 9 1\n7 10 0\n9 10 0\n');

  test('media are averaged, then added: worked by hand', () => {
    const result = evaluate(request({ protocol: 'ijb', features, list, pairs, far: [0.5] })) as IjbEvaluation;
    expect(result).toMatchObject({ templates: 4, pairs: 4, pooling: 'raw-mean', quality: null });
    expect(result.scores.genuine.most).toBeCloseTo(3 / Math.sqrt(10), 6);
    expect(result.scores.impostor.most).toBeCloseTo(1 / Math.sqrt(5), 6);
    expect(result.tarAtFar[0]).toMatchObject({ tar: 1 });
    expect(result.nearestPoints[0]).toMatchObject({ asked: 0.5, tar: 1 });
  });

  test('the detector weighs; its list must be of the same images', () => {
    const lines = ['1.jpg', '2.jpg', '3.jpg', '4.jpg', '5.jpg', '6.jpg'].map(
      (name, i) => `${name} ${'1 '.repeat(10)}${i === 0 ? 2 : 1}`,
    );
    const quality = write('scores.txt', lines.join('\n'));
    const result = evaluate(request({ protocol: 'ijb', features, list, pairs, quality })) as IjbEvaluation;
    // Template 7 is now [2, 2].
    expect(result.scores.genuine.most).toBeCloseTo(1, 6);
    const wrong = write('wrong.txt', lines.toReversed().join('\n'));
    expect(() => evaluate(request({ protocol: 'ijb', features, list, pairs, quality: wrong }))).toThrow(`${wrong}:1: `);
  });

  test('--templates of another order than --list', () => {
    const names = write('names.txt', 'x/1.jpg\nx/2.jpg\nx/3.jpg\nx/4.jpg\nx/5.jpg\nx/6.jpg\n');
    const templates = write('turned.txt', readFileSync(list, 'utf8').trim().split('\n').toReversed().join('\n'));
    const options = { protocol: 'ijb' as const, features, pairs };
    const turned = evaluate(request({ ...options, list: names, templates })) as IjbEvaluation;
    expect(turned.scores).toEqual((evaluate(request({ ...options, list })) as IjbEvaluation).scores);
  });
});

describe.skipIf(!existsSync(`${shared}lists`))('the official lists with made-up features of known separation', () => {
  const pairs = `${shared}lists/lfw_official_pairs.txt`;
  const named = (name: string, number: string) => `${name}/${name}_${number.padStart(4, '0')}.jpg`;
  const names = new Set<string>();
  if (existsSync(pairs))
    for (const line of readFileSync(pairs, 'utf8').trim().split('\n').slice(1)) {
      const [a = '', i = '', b = '', j] = line.split('\t');
      names.add(named(a, i)).add(j === undefined ? named(a, b) : named(b, j));
    }
  /** A person's direction and noise of `spread`. */
  const madeUp = (key: string, spread: number) => {
    const people = new Map<string, number[]>();
    const random = seededRandom(key);
    const draw = () => Array.from({ length: 16 }, () => random() - 0.5);
    const rows = [...names].map((name): [string, number[]] => {
      const person = name.split('/')[0]!;
      const centre = people.get(person) ?? draw();
      people.set(person, centre);
      const noise = draw();
      return [name, centre.map((x, k) => x + spread * noise[k]!)];
    });
    return writeFeatures(folder, key, rows);
  };

  test('people that do not vary: all but perfect, in every variant', () => {
    const result = evaluate(request({ protocol: 'lfw', ...madeUp('apart', 0.01), pairs })) as LfwEvaluation;
    expect(result).toMatchObject({ genuine: 3000, impostor: 3000, foldsFrom: 'list' });
    expect(result.variants.map(({ variant }) => variant)).toEqual([
      'exact',
      'sphereface',
      'cosface-pytorch',
      'insightface',
    ]);
    for (const { accuracy, folds } of result.variants) {
      expect(accuracy).toBeGreaterThan(0.995);
      expect(folds.map(({ pairs: count }) => count)).toEqual(new Array(10).fill(600));
    }
    expect(result.auc).toBeGreaterThan(0.9999);
  });

  test('noise alone: chance; --variant says which accuracy stands first', () => {
    const files = madeUp('noise', 1000);
    const result = evaluate(request({ protocol: 'lfw', ...files, pairs, variant: 'sphereface' })) as LfwEvaluation;
    expect(result.auc).toBeGreaterThan(0.47);
    expect(result.auc).toBeLessThan(0.53);
    expect(result.accuracy).toBe(result.variants[1]!.accuracy);
    expect(Math.abs(result.accuracy! - 0.5)).toBeLessThan(0.03);
    expect(result.aucInterval!.low).toBeLessThan(result.auc);
  });
});

describe.skipIf(!existsSync(`${shared}orl`))('ORL faces, raw pixels', () => {
  test('all pairs of ten people, as measured elsewhere: EER of about 16 %', () => {
    const rows = Array.from({ length: 40 }, (_, person) =>
      Array.from({ length: 10 }, (_, image): [string, number[]] => {
        const name = `s${person + 1}/${image + 1}.pgm`;
        const bytes = readFileSync(`${shared}orl/${name}`);
        const pixels = bytes.subarray(bytes.length - 92 * 112);
        return [name, Array.from({ length: 46 * 56 }, (_, i) => pixels[2 * (i % 46) + 184 * Math.floor(i / 46)]!)];
      }),
    ).flat();
    const lines = rows.flatMap(([a], i) =>
      rows.slice(i + 1).map(([b]) => `${a}\t${b}\t${a.split('/')[0] === b.split('/')[0] ? 1 : 0}`),
    );
    const pairs = write('orl-pairs.txt', lines.join('\n'));
    const result = evaluate(
      request({ protocol: 'pairs', ...writeFeatures(folder, 'orl', rows), pairs }),
    ) as PairsEvaluation;
    expect(result).toMatchObject({ genuine: 1800, impostor: 78_000, foldsFrom: 'dealt' });
    expect(result.eer).toBeGreaterThan(0.13);
    expect(result.eer).toBeLessThan(0.18);
  });
});
