import { expect, test } from 'vitest';
import { planTurns } from '../../bench/turns.js';

const limits = { budgetMs: 1000, leastTurns: 2, mostTurns: 50, slowMs: 9500, leastSlowTurns: 1 };

function turnsOf(rounds: number[][], id: number): number {
  return rounds.flat().filter((other) => other === id).length;
}

test('rows of one speed take turns, odd rounds backwards', () => {
  const takers = [5, 6, 7].map((id) => ({ id, turnMs: 100 }));
  expect(planTurns(takers, limits)).toEqual([
    [5, 6, 7],
    [7, 6, 5],
    [5, 6, 7],
  ]);
});

test('each row gets an equal share of the budget, within the limits', () => {
  const rounds = planTurns(
    [
      { id: 0, turnMs: 1 }, // 200 would fit
      { id: 1, turnMs: 25 },
      { id: 2, turnMs: 50 },
      { id: 3, turnMs: 9000 }, // none would fit
      { id: 4, turnMs: 10_000 }, // slow
    ],
    limits,
  );
  expect([0, 1, 2, 3, 4].map((id) => turnsOf(rounds, id))).toEqual([50, 8, 4, 2, 1]);
  expect(rounds).toHaveLength(50);
});

test('a slow row is spread over the whole run and has one turn a round at most', () => {
  const rounds = planTurns(
    [
      { id: 0, turnMs: 10 },
      { id: 1, turnMs: 100 },
    ],
    limits,
  );
  const present = rounds.flatMap((ids, round) => (ids.includes(1) ? [round] : []));
  expect(present).toEqual([9, 19, 29, 39, 49]);
  for (const ids of rounds) expect(new Set(ids).size).toBe(ids.length);
});

test('nobody to take a turn', () => {
  expect(planTurns([], limits)).toEqual([]);
});
