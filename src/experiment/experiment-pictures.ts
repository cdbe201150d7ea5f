import { drawChart } from '../charts/chart.js';
import { drawRowChart } from '../charts/row-chart.js';
import { meanAndError } from '../evaluate/mean-and-error.js';
import type { ExperimentResult, MethodResult } from './run-experiment.js';

export interface ExperimentPicture {
  /** File name without its ending. */
  name: string;
  svg: string;
}

/** The accuracy of every run, by method; against m for the experiment on the margin. */
export function experimentPictures(result: ExperimentResult): ExperimentPicture[] {
  const { experiment, title, steps, images, identities, methods } = result;
  const figure = methods.every(({ runs }) => runs.every(({ test }) => test.accuracy !== null)) ? 'accuracy' : 'auc';
  const values = ({ runs }: MethodResult) => runs.map(({ test }) => 100 * (test[figure] as number));
  const axis = `${figure === 'auc' ? 'AUC' : 'accuracy'} on people never seen, %`;
  const note = `${images} images of ${identities} people, ${steps} steps a run. Dots: runs; bars: their mean.`;
  const rows = methods.map((method) => ({ name: method.name, values: values(method) }));
  const pictures = [{ name: `experiment-${experiment}`, svg: drawRowChart({ title, x: axis, rows, note }) }];
  return experiment === 'margin' ? [{ name: 'experiment-margin', svg: marginCurve(result, values, axis) }] : pictures;
}

function marginCurve(
  { title, methods, steps, images, identities }: ExperimentResult,
  values: (method: MethodResult) => number[],
  y: string,
): string {
  const marginOf = ({ chosen }: MethodResult) => (chosen.loss as { margin: number }).margin;
  return drawChart({
    ...{ title, x: 'm', y, scales: { x: 'linear', y: 'linear' } as const },
    series: [
      {
        name: 'mean',
        kind: 'curve',
        points: methods.map((method) => [marginOf(method), meanAndError(values(method)).mean] as const),
      },
      {
        name: 'runs',
        kind: 'dots',
        points: methods.flatMap((method) => values(method).map((value) => [marginOf(method), value] as const)),
      },
    ],
    note: `${images} images of ${identities} people, ${steps} steps a run.`,
  });
}
