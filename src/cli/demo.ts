import { Command } from 'commander';
import { wholeFrom } from './number-options.js';

interface DemoFlags {
  seed: number;
  epochs?: number;
  quick?: boolean;
  tune?: boolean;
  out: string;
  json?: string;
}

/** `cosface demo`. */
export function demoCommand(): Command {
  return new Command('demo')
    .description("draw the CosFace paper's Figure 4 with real digits, and verify digits never seen in training")
    .option('--seed <number>', 'decides every random number: the same seed gives the same figures', wholeFrom(0), 1)
    .option('--epochs <number>', 'the length of every training', wholeFrom(1))
    .option('--quick', 'a few seconds to see that it works; its figures mean nothing')
    .option('--tune', 'score the images and digits that settings are chosen on, instead of the reported ones')
    .option('--out <directory>', 'where the pictures and figures go', 'runs/demo')
    .option('--json <file>', "write the figures as JSON; '-' is standard output")
    .addHelpText('after', '\nTakes about two minutes on two cores. Needs no TensorFlow: it trains on the wasm backend.')
    .action(async ({ quick = false, tune = false, ...flags }: DemoFlags) => {
      // Not before it is needed: loading TensorFlow.js would slow down every other command.
      const { runDemo } = await import('./demo/run-demo.js');
      await runDemo({ ...flags, quick, tune });
    });
}
