import { Command, Option } from 'commander';
import { BACKBONES } from '../models/backbone-names.js';
import { LOSSES } from '../train/loss-names.js';
import { positiveNumber, wholeFrom } from './number-options.js';
import type { TrainFlags } from './train/run-train.js';

const MORE = `
A run's folder: settings.json, metrics.jsonl, TensorBoard's events, last.ckpt (to resume), best/ and last/ (models),
figures.json, report.html. Killed at any moment, the same command with --resume goes on to the same bits.
Every setting, and what the defaults are: docs/training.md

Examples:
  cosface train aligned --out runs/first --backbone sphereface20 --loss cosface --epochs 20
  cosface train --config recipe.yaml --out runs/second --set optimizer.learningRate=0.05
  cosface train --out runs/second --resume`;

/** `cosface train`. */
export function trainCommand(): Command {
  return new Command('train')
    .description('train a face recognition net from scratch, and verify it on people held out')
    .argument('[images]', 'a folder of identity folders, a list, or a .rec file')
    .requiredOption('--out <folder>', "the run's folder")
    .option('--config <file>', 'settings, YAML or JSON; flags go before them')
    .option('--resume', 'go on from the last checkpoint')
    .addOption(new Option('--backbone <name>', 'the net (default sphereface20)').choices(BACKBONES))
    .addOption(new Option('--loss <name>', 'what is minimised (default cosface)').choices(LOSSES))
    .option('--steps <number>', 'how long', wholeFrom(1, 1e9))
    .option('--epochs <number>', 'how long, in rounds through the images (default 20)', positiveNumber)
    .option('--batch <number>', 'images of a step (default 64)', wholeFrom(1, 1e9))
    .option('--learning-rate <number>', 'the peak (default 0.1)', positiveNumber)
    .option('--seed <number>', 'decides every random number (default 1)', wholeFrom(0))
    .addOption(
      new Option('--backend <name>', 'of TensorFlow.js (default auto)').choices(['auto', 'tensorflow', 'wasm']),
    )
    .option('--set <name=value>', 'any other setting, e.g. loss.scale=16; may be given several times', collect, [])
    .option('--json <file>', "write the figures as JSON; '-' is standard output")
    .addHelpText('after', MORE)
    .action(async (images: string | undefined, flags: Omit<TrainFlags, 'images'>) => {
      // Not before it is needed: loading TensorFlow.js would slow down every other command.
      const { runTrain } = await import('./train/run-train.js');
      await runTrain({ ...flags, images });
    });
}

function collect(text: string, before: string[]): string[] {
  return [...before, text];
}
