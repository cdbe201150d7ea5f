/** The losses that a training can minimise, by the names that settings have for them. */
export const LOSSES = [
  'softmax',
  'normface',
  'cosface',
  'arcface',
  'margin',
  'sphereface',
  'a-softmax',
  'l-softmax',
  'adacos',
  'adaface',
  'magface',
  'curricularface',
  'mv-softmax',
  'subcenter-arcface',
  'circle',
  'sphereface2',
  'uniface',
  'center',
  'contrastive',
  'triplet',
] as const;
export type LossName = (typeof LOSSES)[number];
