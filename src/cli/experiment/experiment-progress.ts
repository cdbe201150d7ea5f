import type { ExperimentEvent } from '../../experiment/run-experiment.js';
import { createProgressBar } from '../progress-bar.js';

/** Shows on standard error how far an experiment has got. */
export interface ExperimentProgress {
  readonly hear: (event: ExperimentEvent) => void;
  stop(): void;
}

/** A bar on a terminal; elsewhere a line for each run. Runs that were done before count at once. */
export function createExperimentProgress(runs: number, steps: number): ExperimentProgress {
  const bar = process.stderr.isTTY ? createProgressBar('{percentage} %  {name}  {eta_formatted} left', 200) : undefined;
  bar?.start(runs * steps, 0, { name: '' });
  // A chosen try's first seed is the same run again, and no new one.
  let run = -1;
  const start = performance.now();
  let trained = 0;
  return {
    hear: (event) => {
      if (event.kind === 'run') {
        if (event.purpose === 'try' || event.number > 1) run++;
        const name = `${event.method}, ${event.purpose} ${event.number} of ${event.of}`;
        if (bar) bar.update(run * steps, { name });
        else console.error(`run ${run + 1} of ${runs}: ${name}${left(start, trained, (runs - run) * steps)}`);
      } else if (event.kind === 'step') {
        trained++;
        bar?.update(run * steps + event.step);
      } else if (event.kind === 'note' && !bar) console.error(`Note: ${event.text}`);
    },
    stop: () => bar?.stop(),
  };
}

/** By the steps of this process alone: what was done before took no time. */
function left(start: number, trained: number, ahead: number): string {
  if (trained === 0) return '';
  const minutes = ((performance.now() - start) / trained) * ahead;
  return `, about ${Math.ceil(minutes / 60_000)} min left`;
}
