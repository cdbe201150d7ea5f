import { Presets, SingleBar } from 'cli-progress';
import { Command, InvalidArgumentError, Option } from 'commander';
import { measureLoss } from '../../bench/loss/measure-loss.js';
import type { LossReport } from '../../bench/loss/report.js';
import { reportMarkdown } from '../../bench/loss/report-markdown.js';
import { reportText } from '../../bench/loss/report-text.js';
import { ROW_COMMAND } from '../../bench/loss/row-client.js';
import { BACKENDS, type Backend } from '../../bench/loss/rows.js';
import { replaceFile } from './replace-file.js';

interface LossOptions {
  batch: number;
  classes: number;
  dim: number;
  backends: Backend[];
  seconds: number;
  limit: number;
  json?: string;
  markdown?: string;
}

/** `cosface bench`: measures this package on the machine at hand. */
export function benchCommand(): Command {
  const bench = new Command('bench').description('Measure this package on this machine').exitOverride();
  bench.addCommand(lossCommand().copyInheritedSettings(bench), { isDefault: true });
  bench.addCommand(rowCommand(), { hidden: true });
  return bench;
}

function lossCommand(): Command {
  return new Command('loss')
    .description(
      'Time, memory and accuracy of loss and gradients: the native kernel, the same loss in TensorFlow.js ops, and what ' +
        'users write without this package, on every backend that is installed',
    )
    .option('--batch <n>', 'samples, N', wholeNumber(1, 2 ** 20), 512)
    .option('--classes <n>', 'classes, C', wholeNumber(2, 2 ** 27), 10575)
    .option('--dim <n>', 'features of an embedding, D', wholeNumber(1, 2 ** 16), 512)
    .option('--backends <names>', `which of ${BACKENDS.join(', ')}`, backendNames, [...BACKENDS])
    .option('--seconds <n>', 'timed calls of all rows together, about', positiveNumber, 60)
    .option('--limit <n>', 'skip rows whose call takes more seconds', positiveNumber, 10)
    .addOption(new Option('--json <file>', 'write the figures as JSON; - is standard output, and then nothing else is'))
    .addOption(new Option('--markdown <file>', 'write the report as a Markdown page'))
    .action(runLoss);
}

async function runLoss(options: LossOptions): Promise<void> {
  const { batch, classes, dim, backends, seconds, limit: limitSeconds } = options;
  const progress = progressBar();
  const report = await measureLoss({
    ...{ shape: { batch, classes, dim }, backends, seconds, limitSeconds, command: commandLine() },
    ...(progress && { onProgress: progress.update }),
  }).finally(() => progress?.stop());
  write(report, options);
  // A benchmark of nothing, or of something wrong, must not pass for one.
  if (report.rows.length === 0 || report.failed.length > 0) process.exitCode = 1;
}

function write(report: LossReport, { json, markdown }: LossOptions): void {
  const figures = `${JSON.stringify(report, null, 2)}\n`;
  if (json === '-') process.stdout.write(figures);
  else console.log(reportText(report));
  if (json !== undefined && json !== '-') replaceFile(json, figures);
  if (markdown !== undefined) replaceFile(markdown, reportMarkdown(report));
  // Where the report does not show them on standard output.
  if (json === '-')
    for (const { backend, name, reason } of report.failed) console.error(`${backend} ${name}: ${reason}`);
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

/** One row's process, which `measureLoss` starts; of no use by hand. */
function rowCommand(): Command {
  return new Command(ROW_COMMAND).action(async () => {
    const { runRowProcess } = await import('../../bench/loss/row-process.js');
    runRowProcess();
  });
}

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
  };
}

function positiveNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('Expected a number above 0.');
}

function backendNames(text: string): Backend[] {
  const names = text.split(',');
  const unknown = names.find((name) => !BACKENDS.includes(name as Backend));
  if (unknown === undefined) return BACKENDS.filter((name) => names.includes(name));
  throw new InvalidArgumentError(`'${unknown}' is no backend, expected some of ${BACKENDS.join(',')}.`);
}
