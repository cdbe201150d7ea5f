import { createProgressBar } from './progress-bar.js';

/** Shows on standard error how many images are done, the rate and what is left; nothing where that is no terminal. */
export interface ImageProgress {
  update(done: number): void;
  stop(): void;
}

/** @param already - How many an earlier run has done: they count for nothing in the rate. */
export function createImageProgress(total: number, already = 0): ImageProgress {
  if (!process.stderr.isTTY) return { update: () => {}, stop: () => {} };
  const start = performance.now();
  const bar = createProgressBar('{percentage} %  {value}/{total}  {rate} images/s  {eta_formatted} left', 500);
  bar.start(total, already, { rate: '-' });
  return {
    update: (done) => {
      // Without a rate there is no estimate either.
      if (done <= already) return;
      const rate = Math.round((done - already) / ((performance.now() - start) / 1000));
      bar.update(done, { rate });
    },
    stop: () => bar.stop(),
  };
}
