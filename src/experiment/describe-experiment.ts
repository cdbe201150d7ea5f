import type { OwnSettings } from './experiment.js';
import type { ExperimentResult } from './run-experiment.js';
import { type MeanAndDeviation, summaryRows } from './summary.js';

/** The results as a Markdown document with its pictures beside it. */
export function describeExperiment(result: ExperimentResult, pictures: readonly string[], command: string): string {
  const { title, steps, images, identities, sets, methods, against } = result;
  const seeds = methods[0]?.runs.length as number;
  const chosen = methods.filter(({ tries }) => tries.length > 1);
  return [
    `# ${title}`,
    '',
    `Trained on ${count(images)} images of ${count(identities)} people, ${count(steps)} steps each. Tested on ${sets.test}, whom no choice has seen.`,
    `Mean ± standard deviation over ${seeds === 1 ? 'one seed' : `${seeds} seeds`}; the people and pairs are the same for all. \`${command}\``,
    '',
    ...pictures.map((picture) => `![${title}](${picture})\n`),
    ...table([
      ['', 'accuracy', 'AUC', 'EER', 'TAR at FAR 0.01', `accuracy over ${against}`, `AUC over ${against}`],
      ...summaryRows(result).map(({ name, accuracy, auc, eer, tar, gain }) => [
        name,
        percent(accuracy),
        percent(auc),
        percent(eer),
        percent(tar),
        gain ? points(gain.accuracy) : '',
        gain ? points(gain.auc) : '',
      ]),
    ]),
    ...(chosen.length === 0
      ? []
      : [
          '',
          `Settings of its own that each was given to choose among, once, with seed 1, by the AUC on ${sets.validation}:`,
          '',
          ...table([
            ['', 'tried', 'AUC', 'chosen'],
            ...chosen.map(({ name, tries, chosen: best }) => [
              name,
              tries.map(({ own }) => ownName(own)).join('; '),
              tries.map(({ validation }) => percent({ mean: validation.auc, deviation: null })).join('; '),
              ownName(best),
            ]),
          ]),
        ]),
    '',
  ].join('\n');
}

/** As in `margin 0.35`. */
function ownName({ loss = {}, optimizer = {} }: OwnSettings): string {
  const words: Record<string, string> = { learningRate: 'learning rate', normalizeEmbeddings: 'normalised' };
  const { name, normalizeEmbeddings, ...own } = loss as Record<string, unknown>;
  return Object.entries({ ...own, ...optimizer })
    .map(([key, value]) => `${words[key] ?? key} ${value}`)
    .join(', ');
}

function table([head, ...rows]: readonly string[][]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head as string[]), `|${'---|'.repeat((head as string[]).length)}`, ...rows.map(line)];
}

function percent(value: MeanAndDeviation | null): string {
  if (value === null) return 'too few people';
  return `${(100 * value.mean).toFixed(2)}${spread(value)} %`;
}

function points(value: MeanAndDeviation | null): string {
  if (value === null) return '';
  const sign = value.mean < 0 ? '−' : '+';
  return `${sign}${(100 * Math.abs(value.mean)).toFixed(2)}${spread(value)}`;
}

function spread({ deviation }: MeanAndDeviation): string {
  return deviation === null ? '' : ` ± ${(100 * deviation).toFixed(2)}`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
