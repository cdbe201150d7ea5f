import type { StepReport } from '../../train/train.js';
import { createProgressBar } from '../progress-bar.js';

export type StepWatcher = (report: StepReport) => void;

/** Shows on standard error how far a run has got. */
export interface Progress {
  /** Starts the next training and returns what is to hear of its steps. */
  watch(name: string, steps: number): StepWatcher;
  stop(): void;
}

/** A bar on a terminal; elsewhere one line at the end of each training. */
export function createProgress(totalSteps: number): Progress {
  return process.stderr.isTTY ? barProgress(totalSteps) : lineProgress();
}

/** The means of a training so far, weighted towards the last some fifty steps. */
function createMeter() {
  const start = performance.now();
  let seen = 0;
  let [loss, accuracy] = [0, 0];
  return (report: StepReport) => {
    const share = Math.max(1 / (report.step + 1), 0.02);
    loss += share * (report.loss - loss);
    accuracy += share * (report.accuracy - accuracy);
    seen += report.samples;
    const rate = Math.round(seen / ((performance.now() - start) / 1000));
    return { loss: loss.toFixed(3), accuracy: `${(100 * accuracy).toFixed(1)} %`, rate: `${rate} images/s` };
  };
}

function barProgress(totalSteps: number): Progress {
  const bar = createProgressBar(
    '{percentage} %  {name}  loss {loss}  accuracy {accuracy}  {rate}  {eta_formatted} left',
    200,
  );
  bar.start(totalSteps, 0, { name: '', loss: '-', accuracy: '-', rate: '-' });
  return {
    watch: (name) => {
      const measure = createMeter();
      return (report) => bar.increment(1, { name, ...measure(report) });
    },
    stop: () => bar.stop(),
  };
}

function lineProgress(): Progress {
  return {
    watch: (name, steps) => {
      const measure = createMeter();
      return (report) => {
        const { loss, accuracy, rate } = measure(report);
        if (report.step + 1 === steps) console.error(`${name}: loss ${loss}, accuracy ${accuracy}, ${rate}`);
      };
    },
    stop: () => {},
  };
}
