/** Where the class centres live. */
export interface HeadSettings {
  /** In native memory, with their momentum, moved while their gradient is in cache; else in variables of TensorFlow.js. */
  resident: boolean;
  /** Of a resident head: the part of the classes that takes part in a step, in (0, 1]; those of its labels always do. */
  sampleRate: number;
}

/** The losses that a resident head computes: the margin that each calls `margin`, and its default. */
export const RESIDENT_LOSSES = {
  cosface: { term: 'm3', margin: 0.35 },
  arcface: { term: 'm2', margin: 0.5 },
  normface: { term: null, margin: 0 },
  margin: { term: null, margin: 0 },
} as const;

export type ResidentLossName = keyof typeof RESIDENT_LOSSES;
