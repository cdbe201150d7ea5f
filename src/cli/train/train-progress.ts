import type { TrainEvent, Trainer } from '../../train/trainer.js';
import { createProgressBar } from '../progress-bar.js';

/** Shows on standard error how far a training has got. */
export interface TrainProgress {
  start(trainer: Pick<Trainer, 'step' | 'steps' | 'images' | 'parameters'>): void;
  readonly hear: (event: TrainEvent) => void;
  stop(): void;
}

const FORMAT = '{percentage} %  {value}/{total}  loss {loss}  {rate} images/s  {eta_formatted} left';

/** A bar on a terminal; elsewhere a line for each verification. */
export function createTrainProgress(): TrainProgress {
  const bar = process.stderr.isTTY ? createProgressBar(FORMAT, 50) : undefined;
  const say = (text: string) => {
    // A line that is written over a bar would leave its rest behind.
    if (bar) process.stderr.write('\r\x1b[K');
    console.error(text);
  };
  const meter = createMeter();
  return {
    start: ({ step, steps, images, parameters }) => {
      say(
        `${images.train} images of ${images.identities} people, ${parameters.toLocaleString('en-US')} numbers to train`,
      );
      bar?.start(steps, step, { loss: '-', rate: '-' });
    },
    hear: (event) => {
      if (event.kind === 'note') say(`Note: ${event.text}`);
      else if (event.kind === 'step') bar?.update(event.step, meter(event));
      else if (event.kind === 'verification') say(describe(event));
    },
    stop: () => bar?.stop(),
  };
}

/** The mean loss of the last some fifty steps, and the rate since the start. */
function createMeter() {
  const start = performance.now();
  let [seen, steps, mean] = [0, 0, 0];
  return ({ loss, images }: Extract<TrainEvent, { kind: 'step' }>) => {
    steps++;
    seen += images;
    mean += Math.max(1 / steps, 0.02) * (loss - mean);
    return { loss: mean.toFixed(3), rate: Math.round(seen / ((performance.now() - start) / 1000)) };
  };
}

function describe({ step, figures, best }: Extract<TrainEvent, { kind: 'verification' }>): string {
  const { auc, accuracy } = figures;
  const share = accuracy === null ? '' : `, accuracy ${(100 * accuracy).toFixed(2)} %`;
  return `step ${step}: AUC ${auc.toFixed(4)}${share}${best ? ', the best so far' : ''}`;
}
