/** A row that wants turns, and what one of them takes. */
export interface TurnTaker {
  id: number;
  turnMs: number;
}

export interface TurnLimits {
  /** For all rows together, about. */
  budgetMs: number;
  /** Each row gets so many, whatever that costs. */
  leastTurns: number;
  mostTurns: number;
  /** A row whose turns take longer than this many milliseconds gets `leastSlowTurns` at least. */
  slowMs: number;
  leastSlowTurns: number;
}

/**
 * Who has a turn when, round by round.
 *
 * Each row gets an equal share of the budget, and its turns are spread evenly over all rounds, so that a disturbance
 * (a clock that drops, another process) meets every row and not one. Odd rounds go backwards: a row then follows
 * another one, and shares the caches it left behind.
 */
export function planTurns(takers: readonly TurnTaker[], limits: TurnLimits): number[][] {
  const share = limits.budgetMs / Math.max(takers.length, 1);
  const wanted = takers.map(({ id, turnMs }) => ({ id, turns: turnsFor(share, turnMs, limits) }));
  const rounds = Math.max(0, ...wanted.map(({ turns }) => turns));
  return Array.from({ length: rounds }, (_, round) => {
    const present = wanted.filter(
      ({ turns }) => turnsBefore(round + 1, turns, rounds) > turnsBefore(round, turns, rounds),
    );
    const ids = present.map(({ id }) => id);
    return round % 2 === 0 ? ids : ids.reverse();
  });
}

function turnsFor(shareMs: number, turnMs: number, limits: TurnLimits): number {
  const affordable = Math.floor(shareMs / Math.max(turnMs, 1e-6));
  const least = turnMs > limits.slowMs ? limits.leastSlowTurns : limits.leastTurns;
  return Math.min(Math.max(affordable, least), limits.mostTurns);
}

function turnsBefore(round: number, turns: number, rounds: number): number {
  return Math.floor((round * turns) / rounds);
}
