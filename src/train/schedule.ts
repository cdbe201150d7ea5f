/** The learning rate of each step, counted from 0. */
export type Schedule = (step: number) => number;

export interface CosineScheduleOptions {
  peak: number;
  /** How many steps there are altogether. */
  steps: number;
  /** Over how many of them the rate rises. Default 0. */
  warmUp?: number;
}

/** A linear rise to `peak`, times half a cosine that falls to 0 after the last step. */
export function cosineSchedule({ peak, steps, warmUp = 0 }: CosineScheduleOptions): Schedule {
  return (step) => peak * Math.min(1, (step + 1) / (warmUp + 1)) * 0.5 * (1 + Math.cos((Math.PI * step) / steps));
}
