import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { evaluate } from '../../src/evaluate/evaluate.js';
import type { MegaFaceEvaluation } from '../../src/evaluate/evaluation.js';
import type { EvaluateRequest } from '../../src/evaluate/request.js';
import { seededRandom } from '../../src/train/random.js';
import { temporaryFolder, writeFeatures } from '../evaluate/feature-files.js';

const folder = temporaryFolder();
afterAll(() => rmSync(folder, { recursive: true }));

const DIM = 8;
const random = seededRandom('megaface');
const draw = () => Array.from({ length: DIM }, () => Math.fround(random() - 0.5));
const centres = Array.from({ length: 6 }, draw);
/** 5 images of each of 6 people; 300 strangers, one of them twice, so that cosines tie. */
const probes = Array.from({ length: 30 }, (_, i): [string, number[]] => {
  const centre = centres[i % 6]!;
  return [`p${i % 6}/${i}.jpg`, draw().map((x, k) => Math.fround(1.2 * x + centre[k]!))];
});
const crowd = Array.from({ length: 300 }, (_, i): [string, number[]] => [`c/${i}.jpg`, draw()]);
crowd[7] = [crowd[7]![0], crowd[6]![1]];
// A distractor that is a probe's mate to the bit outranks it.
crowd[8] = [crowd[8]![0], probes[6]![1]];

function run(options: Partial<EvaluateRequest> & Pick<EvaluateRequest, 'features' | 'list'>): MegaFaceEvaluation {
  const usual = { protocol: 'megaface', missing: 'error', confidence: 0.95, variant: 'exact', ranks: 20 } as const;
  return evaluate({ ...usual, histogram: true, ...options }) as MegaFaceEvaluation;
}

const cosine = (a: number[], b: number[]) => {
  const dot = (u: number[], v: number[]) => u.reduce((sum, x, k) => sum + x * v[k]!, 0);
  return dot(a, b) / (Math.sqrt(dot(a, a)) * Math.sqrt(dot(b, b)));
};
const mates = probes.flatMap(([a, x], i) =>
  probes.flatMap(([b, y], j) => (i !== j && a.split('/')[0] === b.split('/')[0] ? [{ x, y }] : [])),
);

/** By definition: a mate's place among all distractors. */
function shareAtRank(rank: number, count: number): number {
  const found = mates.filter(({ x, y }) => {
    const score = cosine(x, y);
    return crowd.slice(0, count).filter(([, z]) => cosine(x, z) >= score).length < rank;
  });
  return found.length / mates.length;
}

const apart = {
  ...writeFeatures(folder, 'probes', probes),
  distractors: writeFeatures(folder, 'crowd', crowd).features,
};

describe('against every cosine formed by itself', () => {
  const far = [1e-3, 1e-2, 0.1];
  const result = run({ ...apart, far });

  test('identification, for each number of distractors', () => {
    expect(result.identification.map(({ distractors }) => distractors)).toEqual([10, 100, 300]);
    for (const { distractors, searches, rank1, cmc } of result.identification) {
      expect(searches).toBe(120);
      expect(rank1).toBe(shareAtRank(1, distractors));
      for (const { rank, share } of cmc) expect(share).toBe(shareAtRank(rank, distractors));
    }
  });

  test('TAR at FAR: genuine pairs of probes, impostors of a probe and a distractor', () => {
    expect(result).toMatchObject({ genuine: 60, impostor: 9000, probes: 30, identities: 6, distractors: 300 });
    const impostors = probes.flatMap(([, x]) => crowd.map(([, z]) => cosine(x, z))).sort((a, b) => b - a);
    far.forEach((rate, i) => {
      const beyond = impostors[Math.floor(rate * 9000)]!;
      const genuine = mates.filter(({ x, y }) => cosine(x, y) > beyond + 1e-12).length / mates.length;
      expect(result.tarAtFar[i]!.tar).toBeCloseTo(genuine, 12);
      expect(result.tarAtFar[i]!.threshold).toBeCloseTo(beyond, 12);
      expect(result.tarAtFar[i]!.falseAcceptsAllowed).toBe(Math.floor(rate * 9000));
    });
  });

  test('the histogram counts every pair once', () => {
    const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0);
    expect([sum(result.histogram!.genuine), sum(result.histogram!.impostor)]).toEqual([60, 9000]);
  });
});

test('one file for all: labels, a list of probes, and the folder of features give the same figures', () => {
  const expected = run({ ...apart });
  const figures = ({ identification, tarAtFar, roc }: MegaFaceEvaluation) => ({ identification, tarAtFar, roc });
  const all = writeFeatures(folder, 'all', [...probes, ...crowd]);
  const labelled = join(folder, 'labelled.txt');
  writeFileSync(labelled, [...probes.map(([n]) => `${n}\t${n[1]}`), ...crowd.map(([n]) => `${n}\t-1`)].join('\n'));
  expect(figures(run({ features: all.features, list: labelled }))).toEqual(figures(expected));
  const json = join(folder, 'probes.json');
  writeFileSync(json, JSON.stringify({ path: probes.map(([n]) => n), id: probes.map(([n]) => n.split('/')[0]) }));
  expect(figures(run({ ...all, pairs: json }))).toEqual(figures(expected));

  const files = join(folder, 'files');
  for (const [name, features] of [...probes, ...crowd]) {
    mkdirSync(join(files, name, '..'), { recursive: true });
    const bytes = Buffer.alloc(16 + 4 * DIM);
    [DIM, 1, 4, 5].forEach((value, i) => {
      bytes.writeInt32LE(value, 4 * i);
    });
    features.forEach((value, i) => {
      bytes.writeFloatLE(value, 16 + 4 * i);
    });
    writeFileSync(join(files, `${name}_net.bin`), bytes);
  }
  expect(figures(run({ features: files, list: all.list, pairs: json, suffix: '_net.bin' }))).toEqual(figures(expected));
});

describe('refused', () => {
  test('no distractors, no mates, another number of features, too many distractors asked for', () => {
    const { features, list } = apart;
    expect(() => run({ features, list })).toThrow('there are no distractors');
    const alone = writeFeatures(
      folder,
      'alone',
      crowd.slice(0, 3).map(([n, v], i) => [`p${i}/${n}`, v]),
    );
    expect(() => run({ ...alone, distractors: apart.distractors })).toThrow('no probe has a mate');
    const narrow = writeFeatures(folder, 'narrow', [['a', [1, 2]]]).features;
    expect(() => run({ features, list, distractors: narrow })).toThrow('has 2 features a row, expected 8');
    expect(() => run({ ...apart, counts: [301] })).toThrow('--counts has 301, but there are 300 distractors');
  });

  test('a feature file that lies, and a path out of the folder', () => {
    const files = join(folder, 'bad');
    mkdirSync(files);
    const lying = Buffer.alloc(24);
    [2 ** 30, 1, 4, 5].forEach((value, i) => {
      lying.writeInt32LE(value, 4 * i);
    });
    writeFileSync(join(files, 'a'), lying);
    symlinkSync(apart.features, join(files, 'link'));
    const named = (name: string) => {
      const list = join(folder, 'bad.txt');
      writeFileSync(list, name);
      return () => run({ features: files, list, distractors: apart.distractors });
    };
    expect(named('a')).toThrow("does not fit the file's 24 bytes");
    for (const name of ['../probes.npy', 'link', '../none', '/etc/hostname'])
      expect(named(name)).toThrow('COSFACE_DATA');
    expect(named('nothing')).toThrow('COSFACE_FILE');
  });
});
