import { meanAndError } from '../evaluate/mean-and-error.js';
import type { ExperimentResult, MethodResult, SetFigures } from './run-experiment.js';

export interface MeanAndDeviation {
  mean: number;
  /** With n - 1; `null` for a single value. */
  deviation: number | null;
}

/** A row for people: means over the seeds, on the people held out until the end. */
export interface SummaryRow {
  name: string;
  accuracy: MeanAndDeviation | null;
  auc: MeanAndDeviation;
  eer: MeanAndDeviation;
  tar: MeanAndDeviation;
  /** Over the method that all are held against, seed by seed; `null` for that one itself. */
  gain: { accuracy: MeanAndDeviation | null; auc: MeanAndDeviation } | null;
}

export function summaryRows({ methods, against }: ExperimentResult): SummaryRow[] {
  const other = methods.find(({ name }) => name === against) as MethodResult;
  return methods.map((method) => {
    const of = (figure: keyof SetFigures) => over(method.runs.map(({ test }) => test[figure]));
    const gain = (figure: keyof SetFigures) =>
      over(
        method.runs.map(({ test }, i) =>
          difference(test[figure], (other.runs[i] as MethodResult['runs'][0]).test[figure]),
        ),
      );
    return {
      name: method.name,
      ...{ accuracy: of('accuracy'), auc: of('auc') as MeanAndDeviation, eer: of('eer') as MeanAndDeviation },
      tar: of('tar') as MeanAndDeviation,
      gain: method === other ? null : { accuracy: gain('accuracy'), auc: gain('auc') as MeanAndDeviation },
    };
  });
}

function difference(one: number | null, other: number | null): number | null {
  return one === null || other === null ? null : one - other;
}

function over(values: ReadonlyArray<number | null>): MeanAndDeviation | null {
  if (values.includes(null)) return null;
  const { mean, standardError } = meanAndError(values as number[]);
  return { mean, deviation: values.length === 1 ? null : standardError * Math.sqrt(values.length) };
}
