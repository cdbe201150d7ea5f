/** Runs of a second, over those of an experiment. */
export const TINY: Record<string, unknown> = {
  data: { threads: 0, minimumImages: 1 },
  input: { height: 16, width: 16, alignment: null },
  augmentation: { flip: 0.5 },
  model: { backbone: 'sphereface4', widths: [4, 6, 8, 8], dim: 8, batchNorm: true },
  batch: { size: 8 },
  verification: { share: 0.25, testShare: 0.25, seed: 1 },
  backend: 'wasm',
};
