/** The learning rate of each step, counted from 0. */
export type Schedule = (step: number) => number;

export interface CosineScheduleOptions {
  peak: number;
  /** How many steps there are altogether. */
  steps: number;
  /** Over how many of them the rate rises. Default 0. */
  warmUp?: number;
}

/** How the rate falls from its peak. */
export type Decay =
  /** It does not. */
  | { name: 'constant' }
  /** Half a cosine, to 0 after the last step. */
  | { name: 'cosine' }
  /** Times `factor` at each of the milestones, which are steps. The paper's: 0.1 at 16,000, 24,000 and 28,000. */
  | { name: 'step'; milestones: readonly number[]; factor: number }
  /** (1 - step / steps)^power, to 0 after the last step. */
  | { name: 'polynomial'; power: number };

export interface ScheduleOptions extends CosineScheduleOptions {
  decay: Decay;
}

/**
 * A linear rise to `peak` over the first steps, times a decay that is counted from step 0.
 *
 * @example const rate = learningRates({ peak: 0.1, steps: 30_000, decay: { name: 'polynomial', power: 2 }, warmUp: 500 });
 */
export function learningRates({ peak, steps, warmUp = 0, decay }: ScheduleOptions): Schedule {
  const left = remainder(decay, steps);
  return (step) => peak * Math.min(1, (step + 1) / (warmUp + 1)) * left(step);
}

/** A linear rise to `peak`, times half a cosine that falls to 0 after the last step. */
export function cosineSchedule(options: CosineScheduleOptions): Schedule {
  return learningRates({ ...options, decay: { name: 'cosine' } });
}

/** The share of the peak at each step. */
function remainder(decay: Decay, steps: number): Schedule {
  switch (decay.name) {
    case 'constant':
      return () => 1;
    case 'cosine':
      return (step) => 0.5 * (1 + Math.cos((Math.PI * step) / steps));
    case 'step':
      return (step) => decay.factor ** decay.milestones.filter((milestone) => step >= milestone).length;
    case 'polynomial':
      return (step) => (1 - step / steps) ** decay.power;
  }
}
