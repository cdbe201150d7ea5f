import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { relativeError } from '../../problem.js';
import { contrastiveReference, differences, type FamilyProblem, REFERENCES, tripletReference } from './reference.js';

interface Case {
  loss: string;
  source: string;
  problem: string;
  options: Record<string, unknown>;
  expected: Record<string, number | number[] | number[][]>;
}

interface Given {
  x: number[][];
  w: number[][];
  subCenters: number[][];
  bias: number[];
  y: number[];
}

const { problems, cases } = JSON.parse(readFileSync(new URL('../../vectors/family.json', import.meta.url), 'utf8')) as {
  problems: Record<string, Given>;
  cases: Case[];
};

function reducedLoss({ loss, options }: Case, at: FamilyProblem): (p: FamilyProblem) => number {
  const all = { gradient: 'detached', subCenters: 3, ...options } as never;
  if (loss === 'tripletLoss') return (p) => tripletReference(p, at, all);
  if (loss === 'contrastiveLoss') return (p) => contrastiveReference(p, all);
  const each = REFERENCES[loss]?.(all);
  return (p) => (each?.(p, at) ?? []).reduce((a, b) => a + b, 0) / p.y.length;
}

describe('the reference itself', () => {
  test.each(cases.map((one) => [one.loss, one.options, one.problem, one.source, one] as const))(
    '%s %j of %s rows agrees with %s',
    (_name, _options, _rows, _source, one) => {
      const { x, w, subCenters, bias, y } = problems[one.problem] as Given;
      const p = {
        ...{ x, y, w: 'dsubCenters' in one.expected ? subCenters : w },
        ...('dbias' in one.expected && { bias }),
      };
      const value = reducedLoss(one, p);
      expect(relativeError([value(p)], [one.expected['loss'] as number])).toBeLessThan(1e-12);
      for (const [name, by] of [
        ['dx', 'x'],
        ['dw', 'w'],
        ['dsubCenters', 'w'],
        ['dbias', 'bias'],
      ] as const) {
        const expected = one.expected[name];
        if (expected === undefined) continue;
        const flat = [expected].flat(2) as number[];
        expect(relativeError(differences(value, p, by), flat), name).toBeLessThan(1e-7);
      }
    },
  );
});
