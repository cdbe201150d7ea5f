import { type ChartSeries, drawChart } from '../charts/chart.js';
import type { Evaluation, MegaFaceEvaluation } from './evaluation.js';
import type { ScoreHistogram } from './score-histogram.js';

export interface EvaluationPicture {
  /** The file's name, without its ending. */
  key: 'roc' | 'scores' | 'cmc';
  svg: string;
}

/** The pictures of an evaluation: its ROC, the scores of both kinds of pairs, and for MegaFace the CMC. */
export function evaluationPictures(evaluation: Evaluation): EvaluationPicture[] {
  const { genuine, impostor, protocol, features, histogram } = evaluation;
  const note = `${protocol}: ${features.file}, ${count(genuine)} genuine and ${count(impostor)} impostor pairs`;
  const pictures = [rocPicture(evaluation, note)];
  if (histogram) pictures.push(scoresPicture(histogram, { note, genuine, impostor }));
  if (evaluation.protocol === 'megaface') pictures.push(cmcPicture(evaluation, note));
  return pictures;
}

/** True over false accept rate, the latter logarithmic. */
export function rocPicture({ roc, impostor }: Pick<Evaluation, 'roc' | 'impostor'>, note: string): EvaluationPicture {
  // A logarithmic axis has no place for FAR 0; what is accepted there is drawn at less than one false accept.
  const floor = 1 / (2 * impostor);
  const points = roc.map(({ far, tar }) => [Math.max(far, floor), tar] as const);
  // Where FAR rests at 0 while TAR rises, and at the end, only the ends matter to the line.
  const chance = [1e-9, ...points.map(([far]) => far)].filter((far) => far >= (points[0]?.[0] ?? floor));
  const series: ChartSeries[] = [
    { name: 'this model', kind: 'line', points },
    { name: 'chance', kind: 'roof', points: chance.map((far) => [far, far] as const) },
  ];
  const svg = drawChart({
    ...{ title: 'Receiver operating characteristic', x: 'false accept rate', y: 'true accept rate', note, series },
    scales: { x: 'log', y: 'linear' },
  });
  return { key: 'roc', svg };
}

/** How the scores of genuine and of impostor pairs are spread. */
export function scoresPicture(
  histogram: ScoreHistogram,
  { note, genuine, impostor }: { note: string; genuine: number; impostor: number },
): EvaluationPicture {
  const series: ChartSeries[] = [
    { name: 'genuine pairs', kind: 'area', points: steps(histogram.genuine, genuine) },
    { name: 'impostor pairs', kind: 'area', points: steps(histogram.impostor, impostor) },
  ];
  const svg = drawChart({
    ...{ title: 'Scores of the pairs', x: 'cosine', y: 'share of pairs in a step of 0.02', note, series },
    scales: { x: 'linear', y: 'linear' },
  });
  return { key: 'scores', svg };
}

/** The outline of the bars. */
function steps(counts: readonly number[], total: number): Array<[number, number]> {
  const edge = (bin: number) => (2 * bin) / counts.length - 1;
  return counts.flatMap(
    (number, bin): Array<[number, number]> => [
      [edge(bin), number / total],
      [edge(bin + 1), number / total],
    ],
  );
}

function cmcPicture({ identification }: MegaFaceEvaluation, note: string): EvaluationPicture {
  const series = identification.map(
    ({ distractors, cmc }): ChartSeries => ({
      name: `${count(distractors)} distractors`,
      kind: 'curve',
      points: cmc.map(({ rank, share }) => [rank, share] as const),
    }),
  );
  const svg = drawChart({
    ...{ title: 'Cumulative match characteristic', x: 'rank', y: 'share of searches', note, series },
    scales: { x: 'log', y: 'linear' },
  });
  return { key: 'cmc', svg };
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
