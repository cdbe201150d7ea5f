import { Command } from 'commander';
import { EXPERIMENTS, type ExperimentName, experiments } from '../experiment/experiment.js';
import type { ExperimentFlags } from './experiment/run-experiment-command.js';
import { wholeFrom } from './number-options.js';

const MORE = `
The people are parted once, by name: those to train on, those to choose each method's own settings on, and those that are
looked at once, at the end. Every method has the same net, images, steps and number of tries. A finished run is not done
again: after a kill the same command goes on, and experiments in one folder share what they have in common.

Results: <out>/<experiment>.md with its picture, and <out>/<experiment>.json.`;

/** `cosface experiment`. */
export function experimentCommand(): Command {
  const command = new Command('experiment').description("the CosFace paper's experiments, at a size that runs here");
  command.addCommand(toyCommand());
  for (const name of EXPERIMENTS) command.addCommand(trainingCommand(name));
  return command;
}

interface ToyFlags {
  seed: number;
  quick?: boolean;
  out: string;
  json?: string;
}

function toyCommand(): Command {
  return new Command('toy')
    .description('figure 4: features of two dimensions, by softmax and by LMCL, of handwritten digits')
    .option('--seed <number>', 'decides every random number: the same seed gives the same figures', wholeFrom(0), 1)
    .option('--quick', 'a few seconds to see that it works; its figures mean nothing')
    .option('--out <directory>', 'where the picture and figures go', 'runs/toy')
    .option('--json <file>', "write the figures as JSON; '-' is standard output")
    .action(async ({ quick = false, ...flags }: ToyFlags) => {
      const { runToy } = await import('./demo/run-demo.js');
      await runToy({ ...flags, quick, tune: false });
    });
}

function trainingCommand(name: ExperimentName): Command {
  return new Command(name)
    .description(experiments[name].title)
    .argument('<images>', 'aligned faces: a folder of identity folders, a list, or a .rec file')
    .option('--out <folder>', 'where runs and results go', 'runs/experiments')
    .option('--seeds <number>', 'how often the chosen settings are trained', wholeFrom(1, 100), 3)
    .option('--steps <number>', 'of each run', wholeFrom(1, 1e9), 250)
    .option(
      '--methods <names>',
      `some of them, commas between: ${experiments[name].methods.map((method) => method.name).join(', ')}`,
    )
    .option('--config <file>', 'settings that all runs have in common, YAML or JSON, over the small defaults')
    .option('--json <file>', "write the results as JSON; '-' is standard output")
    .addHelpText('after', MORE)
    .action(async (images: string, flags: Omit<ExperimentFlags, 'images' | 'name'>) => {
      // Not before it is needed: loading TensorFlow.js would slow down every other command.
      const { runExperimentCommand } = await import('./experiment/run-experiment-command.js');
      await runExperimentCommand({ ...flags, images, name });
    });
}
