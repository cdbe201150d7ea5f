import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { Presets, SingleBar } from 'cli-progress';
import { Command, InvalidArgumentError, Option } from 'commander';
import { measureLoss } from '../../../bench/loss/measure-loss.js';
import { reportPictures } from '../../../bench/loss/pictures.js';
import type { LossReport } from '../../../bench/loss/report.js';
import { reportMarkdown } from '../../../bench/loss/report-markdown.js';
import { reportText } from '../../../bench/loss/report-text.js';
import { BACKENDS, type Backend } from '../../../bench/loss/rows.js';
import {
  type Contest,
  type KernelChoice,
  SUITES,
  type Suite,
  shapeContest,
  suiteContests,
} from '../../../bench/loss/suites.js';
import { replaceFile } from '../../files/replace-file.js';
import { backendInfo } from '../../native/backend-info.js';
import { positiveNumber, wholeBetween } from '../number-options.js';

interface LossOptions {
  batch?: number;
  classes?: number;
  dim?: number;
  suite?: Suite[];
  backends: Backend[];
  seconds: number;
  limit?: number;
  from?: string;
  json?: string;
  markdown?: string;
}

const DEFAULT_SHAPE = { batch: 512, classes: 10575, dim: 512 };

/** `cosface bench loss`. */
export function lossCommand(): Command {
  const suite = new Option('--suite <names>', `which of ${SUITES.join(', ')}; shapes, unless a shape is given`);
  return new Command('loss')
    .description(
      'Time, memory and accuracy of loss and gradients: the native kernel, the same loss in TensorFlow.js ops, what users ' +
        'write without this package, and PyTorch, on everything that is installed',
    )
    .option('--batch <n>', `samples, N (default: ${DEFAULT_SHAPE.batch})`, wholeBetween(1, 2 ** 20))
    .option('--classes <n>', `classes, C (default: ${DEFAULT_SHAPE.classes})`, wholeBetween(2, 2 ** 27))
    .option('--dim <n>', `features of an embedding, D (default: ${DEFAULT_SHAPE.dim})`, wholeBetween(1, 2 ** 16))
    .addOption(suite.argParser(namesOf(SUITES, 'suite')).conflicts(['batch', 'classes', 'dim']))
    .option('--backends <names>', `which of ${BACKENDS.join(', ')}`, namesOf(BACKENDS, 'backend'), [...BACKENDS])
    .option('--seconds <n>', 'timed calls of all rows of a shape together, about', positiveNumber, 25)
    .option('--limit <n>', 'skip rows whose call takes more seconds (default: 10, in the matrix 60)', positiveNumber)
    .addOption(new Option('--from <file>', 'measure nothing: the JSON of an earlier run').conflicts('suite'))
    .addOption(new Option('--json <file>', 'write the figures as JSON; - is standard output, and then nothing else is'))
    .addOption(new Option('--markdown <file>', 'write the report as a Markdown page, its pictures beside it'))
    .addHelpText('after', SUITE_HELP)
    .action(runLoss);
}

const SUITE_HELP = `
Suites (each row's share of the machine's peak, and the project's goals, are in every report):
  shapes    512 x 10,575 with every row there is, 512 x 100,000, 128 x 10,575 and 1,024 x 93,431 with those that count
  scaling   512 samples, from 10,000 to 1,000,000 classes, nothing kept
  search    the nearest of 1,000,000 rows for 3,530 queries
  matrix    32 to 4,096 samples by 10,575 to 1,000,000 classes, as far as memory and --limit allow
PyTorch's rows need npx cosface bench setup-peers, once.`;

async function runLoss(options: LossOptions): Promise<void> {
  const report = options.from === undefined ? await measure(options) : JSON.parse(readFileSync(options.from, 'utf8'));
  await write(report, options);
  // A benchmark of nothing, or of something wrong, must not pass for one.
  if (report.rows.length === 0 || report.failed.length > 0) process.exitCode = 1;
}

async function measure(options: LossOptions): Promise<LossReport> {
  const kernel = backendInfo();
  const progress = progressBar();
  const limitSeconds = options.limit ?? (options.suite?.includes('matrix') ? 60 : 10);
  return measureLoss({
    ...{ contests: contestsOf(options, kernel), kernel, seconds: options.seconds, limitSeconds },
    command: commandLine(),
    ...(progress && { onProgress: progress.update }),
  }).finally(() => progress?.stop());
}

function contestsOf({ suite, backends, ...shape }: LossOptions, kernel: KernelChoice): Contest[] {
  const { batch, classes, dim } = { ...DEFAULT_SHAPE, ...shape };
  const isShape = [shape.batch, shape.classes, shape.dim].some((size) => size !== undefined);
  if (isShape) return [shapeContest({ batch, classes, dim }, backends, kernel)];
  return (suite ?? ['shapes']).flatMap((name) => suiteContests(name, backends, kernel));
}

async function write(report: LossReport, { json, markdown }: LossOptions): Promise<void> {
  const figures = `${JSON.stringify(report, null, 2)}\n`;
  if (json === '-') process.stdout.write(figures);
  else console.log(reportText(report));
  if (json !== undefined && json !== '-') replaceFile(json, figures);
  if (markdown !== undefined) await writePage(report, markdown);
  // Where the report does not show them on standard output.
  if (json === '-')
    for (const { backend, name, reason } of report.failed) console.error(`${backend} ${name}: ${reason}`);
}

/** The page, and beside it its pictures, as `PAGE-time.svg` and so on, each also as PNG. */
async function writePage(report: LossReport, page: string): Promise<void> {
  // Not before it is needed: the renderer is a binary of its own.
  const { renderPng } = await import('../render-png.js');
  const stem = page.replace(/\.md$/, '');
  const pictures = reportPictures(report).map(({ key, title, svg }) => {
    replaceFile(`${stem}-${key}.svg`, svg);
    replaceFile(`${stem}-${key}.png`, renderPng(svg));
    return { file: `${basename(stem)}-${key}.png`, title };
  });
  replaceFile(page, reportMarkdown(report, pictures));
}

interface ProgressBar {
  update: (done: number, total: number, what: string) => void;
  stop: () => void;
}

/** On a terminal only; elsewhere it would fill a log. */
function progressBar(): ProgressBar | undefined {
  if (!process.stderr.isTTY) return undefined;
  const bar = new SingleBar({ format: '{bar} {value}/{total} {what}', clearOnComplete: true }, Presets.shades_classic);
  bar.start(1, 0, { what: '' });
  return {
    update: (done, total, what) => {
      bar.setTotal(total);
      bar.update(done, { what });
    },
    stop: () => bar.stop(),
  };
}

/** The command that repeats this run, without the path it was started by. */
function commandLine(): string {
  return ['npx cosface', ...process.argv.slice(2)].join(' ');
}

/** Reads names that are separated by commas; gives them in the order of `all`. */
function namesOf<T extends string>(all: readonly T[], what: string): (text: string) => T[] {
  return (text) => {
    const names = text.split(',');
    const unknown = names.find((name) => !all.includes(name as T));
    if (unknown === undefined) return all.filter((name) => names.includes(name));
    throw new InvalidArgumentError(`'${unknown}' is no ${what}, expected some of ${all.join(',')}.`);
  };
}
