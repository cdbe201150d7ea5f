import { type ChartSeries, drawChart } from '../charts/chart.js';
import { rocPicture, scoresPicture } from '../evaluate/evaluation-pictures.js';
import { replaceFile } from '../files/replace-file.js';
import { type EmbeddedFaces, embeddingMap } from './embedding-map.js';
import type { RunFolder } from './run-folder.js';
import { type Metrics, readMetrics } from './run-log.js';
import type { TrainSettings } from './train-settings.js';
import type { VerificationFigures } from './verification.js';

/** What came of a run: the content of its `figures.json`. */
export interface RunFigures {
  end: 'finished' | 'early' | 'stopped';
  step: number;
  steps: number;
  epochs: number;
  /** Of all parts of a resumed run together. */
  seconds: number;
  backend: string;
  /** Trained numbers, the head's among them. */
  parameters: number;
  images: number;
  identities: number;
  badImages: number;
  /** `null` without verification. */
  bestStep: number | null;
  /** With what was chosen by default. */
  lossOptions: Readonly<Record<string, unknown>>;
  /** Of the best model. */
  verification: VerificationFigures | null;
  test: VerificationFigures | null;
}

export interface ReportContent {
  settings: TrainSettings;
  figures: RunFigures;
  /** Whose embeddings are drawn. */
  map: EmbeddedFaces | undefined;
}

/** Writes `report.html`: figures, curves, ROC, scores and embeddings in one file that needs nothing else, and no script. */
export function writeReport(run: RunFolder, { settings, figures, map }: ReportContent): void {
  const shown = figures.test ?? figures.verification;
  const pictures = [
    ...curves(readMetrics(run)),
    ...(shown ? verificationPictures(shown) : []),
    map && embeddingMap(map),
  ];
  const html = [
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    `<title>${escaped(run.folder)}</title><style>${STYLE}</style></head><body>`,
    `<h1>${escaped(run.folder)}</h1>`,
    table(summary(figures)),
    ...pictures.filter((picture) => picture !== undefined).map((svg) => `<figure>${svg}</figure>`),
    `<h2>Settings</h2><pre>${escaped(JSON.stringify({ ...settings, lossOptions: figures.lossOptions }, null, 2))}</pre>`,
    '</body></html>\n',
  ].join('\n');
  replaceFile(run.report, html);
}

const STYLE =
  "body { font: 15px/1.5 'Source Sans 3', 'Helvetica Neue', Arial, sans-serif; max-width: 900px; margin: 2em auto; color: #222 } " +
  'table { border-collapse: collapse } td { padding: .15em 1.2em .15em 0; vertical-align: top } figure { margin: 1.5em 0 } ' +
  'svg { max-width: 100%; height: auto } pre { background: #f6f6f6; padding: 1em; overflow: auto }';

function summary(figures: RunFigures): [string, string][] {
  const { verification, test, images, identities, parameters, step, steps, epochs, seconds, backend } = figures;
  return [
    ['trained on', `${count(images)} images of ${count(identities)} people`],
    ['steps', `${count(step)} of ${count(steps)}, ${epochs.toFixed(1)} epochs, ${seconds.toFixed(0)} s on ${backend}`],
    ['end', figures.end === 'early' ? 'early: no new best for long' : figures.end],
    ['trained numbers', count(parameters)],
    ...(figures.badImages > 0 ? [['bad images', count(figures.badImages)] as [string, string]] : []),
    ...(verification ? verificationRows('verification', verification, figures.bestStep) : []),
    ...(test ? verificationRows('test', test, figures.bestStep) : []),
  ];
}

function verificationRows(kind: string, figures: VerificationFigures, bestStep: number | null): [string, string][] {
  const { name, auc, eer, accuracy, standardError, genuine, impostor, threshold, atThreshold, tarAtFar } = figures;
  const chosen = kind === 'verification' ? ', which chose the best step: a little too good' : '';
  return [
    [kind, `${name}: ${count(genuine)} genuine and ${count(impostor)} impostor pairs, step ${bestStep}${chosen}`],
    ...(accuracy === null
      ? []
      : [
          ['accuracy', `${percent(accuracy)} ± ${percent(standardError ?? 0)} (standard error over folds)`] as [
            string,
            string,
          ],
        ]),
    ['AUC, EER', `${auc.toFixed(4)}, ${percent(eer)}`],
    ...tarAtFar
      .filter(({ resolved }) => resolved)
      .map(({ far, tar }): [string, string] => [`TAR at FAR ${far.toExponential()}`, percent(tar)]),
    ...(threshold && kind === 'verification'
      ? [['threshold', `${threshold.cosine.toFixed(4)} for FAR ${threshold.falseAcceptRate}`] as [string, string]]
      : []),
    ...(atThreshold
      ? [
          [
            'at the threshold',
            `${atThreshold.cosine.toFixed(4)}: FAR ${percent(atThreshold.falseAcceptRate)}, TAR ${percent(atThreshold.trueAcceptRate)}`,
          ] as [string, string],
        ]
      : []),
  ];
}

interface Curve {
  title: string;
  y: string;
  kind: Metrics['kind'];
  /** Figure in a line of metrics, and its name in the picture. */
  lines: readonly (readonly [figure: string, name: string])[];
}

const CURVES: readonly Curve[] = [
  { title: 'Loss', y: 'mean loss', kind: 'train', lines: [['loss', 'loss']] },
  {
    ...{ title: 'Verification as training goes on', y: 'people held out', kind: 'verification' },
    lines: [
      ['auc', 'AUC'],
      ['accuracy', 'accuracy'],
    ],
  },
  {
    ...{ title: 'Fit to the training images', y: 'last batch, no margin', kind: 'train' },
    lines: [
      ['accuracy', 'nearest centre is its own'],
      ['targetCosine', 'cosine to its own'],
    ],
  },
  { title: 'Learning rate', y: 'learning rate', kind: 'train', lines: [['learningRate', 'learning rate']] },
  { title: 'Length of the gradient', y: '2-norm', kind: 'train', lines: [['gradientNorm', 'gradient']] },
];

function curves(metrics: readonly Metrics[]): string[] {
  return CURVES.flatMap(({ title, y, kind, lines }) => {
    const series = lines
      .map(([figure, name]): ChartSeries => {
        const points = metrics
          .filter((line) => line.kind === kind && typeof line[figure] === 'number')
          .map((line) => [line.step, line[figure] as number] as const);
        return { name, kind: points.length > 60 ? 'line' : 'curve', points };
      })
      .filter(({ points }) => points.length > 1);
    const note = 'metrics.jsonl has the numbers.';
    return series.length === 0
      ? []
      : [drawChart({ title, x: 'step', y, series, scales: { x: 'linear', y: 'linear' }, note })];
  });
}

function verificationPictures(figures: VerificationFigures): string[] {
  const { name, genuine, impostor, histogram } = figures;
  const note = `${name}: ${count(genuine)} genuine and ${count(impostor)} impostor pairs`;
  return [rocPicture(figures, note), scoresPicture(histogram, { note, genuine, impostor })].map(({ svg }) => svg);
}

function table(rows: readonly [string, string][]): string {
  return `<table>${rows.map(([name, value]) => `<tr><td>${escaped(name)}</td><td>${escaped(value)}</td></tr>`).join('\n')}</table>`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
