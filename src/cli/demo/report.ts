import type { MeanAndError } from '../../evaluate/mean-and-error.js';
import type { BackendInfo } from '../../native/backend-info.js';
import type { FigureFour } from './figure-four.js';
import type { OpenSet, OpenSetRow } from './open-set.js';
import type { DemoSettings } from './settings.js';

/** What a run measured. No times: the same seed gives the same bytes on one machine. */
export interface DemoFigures {
  settings: DemoSettings;
  backend: { tensorflow: 'wasm'; kernel: 'native' | 'composed'; isa: string | null };
  figure4: FigureFigures;
  verification: OpenSet;
}

export interface FigureFigures {
  digits: number[];
  panels: Array<{ loss: string; margin: number | null; heldOutAccuracy: number; gapDegrees: number }>;
}

export function demoFigures(
  settings: DemoSettings,
  { binary, isa }: BackendInfo,
  { figure, openSet }: { figure: FigureFour; openSet: OpenSet },
): DemoFigures {
  return {
    settings,
    backend: { tensorflow: 'wasm', kernel: binary ? 'native' : 'composed', isa },
    figure4: figureFigures(figure),
    verification: openSet,
  };
}

export function figureFigures({ digits, panels }: FigureFour): FigureFigures {
  return {
    digits,
    panels: panels.map(({ objective, accuracy, gap }) => ({
      loss: objective.loss,
      margin: objective.loss === 'lmcl' ? objective.margin : null,
      heldOutAccuracy: accuracy,
      gapDegrees: gap,
    })),
  };
}

/** The figure's figures for people. */
export function describeFigure({ digits, panels }: FigureFigures, settings: DemoSettings): string[] {
  return [
    `\nFigure 4: two-dimensional features of the digits ${digits.join(' ')}${quickMark(settings)}`,
    ...table([
      ['', 'held-out accuracy', 'angle between neighbours'],
      ...panels.map(({ margin, heldOutAccuracy, gapDegrees }) => [
        margin === null ? 'softmax' : `LMCL, m = ${margin}`,
        percent(heldOutAccuracy),
        `${gapDegrees.toFixed(1)}°`,
      ]),
    ]),
  ];
}

function quickMark({ quick }: DemoSettings): string {
  return quick ? ' (QUICK RUN: these figures mean nothing)' : '';
}

/** The figures for people. */
export function report(
  { settings, figure4, verification }: DemoFigures,
  files: readonly string[],
  seconds: number,
): string {
  const rounds = verification.rows[0]?.rounds ?? [];
  const pairs = rounds.reduce((sum, round) => sum + round.pairs, 0);
  return [
    ...describeFigure(figure4, settings),
    `\nVerification of two digits never seen in training, ${rounds.length} rounds, ${pairs} pairs${quickMark(settings)}`,
    ...table([
      ['', 'accuracy', 'EER', 'AUC', 'seen digits'],
      ...verification.rows.map((row) => [
        rowName(row),
        share(row.accuracy),
        share(row.equalErrorRate),
        `${row.areaUnderRoc.mean.toFixed(4)} ± ${row.areaUnderRoc.standardError.toFixed(4)}`,
        share(row.seenAccuracy),
      ]),
    ]),
    `LMCL over softmax: ${(100 * verification.gain.mean).toFixed(2)} ± ${(100 * verification.gain.standardError).toFixed(2)} points of accuracy, round by round`,
    'Mean ± standard error over the rounds; 10 folds without common images, thresholds chosen on the other folds.',
    `\n${files.join('\n')}\n${seconds.toFixed(0)} s`,
  ].join('\n');
}

function rowName({ name, objective }: OpenSetRow): string {
  return objective.loss === 'softmax' ? name : `${name}, s = ${objective.scale}, m = ${objective.margin}`;
}

function share({ mean, standardError }: MeanAndError): string {
  return `${(100 * mean).toFixed(2)} ± ${(100 * standardError).toFixed(2)} %`;
}

function percent(value: number): string {
  return `${(100 * value).toFixed(2)} %`;
}

/** Columns of equal width, the first one flush left. */
function table(rows: readonly string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart((widths[i] ?? 0) + 3))).join(''),
  );
}
