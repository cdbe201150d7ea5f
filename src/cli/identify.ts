import { Command } from 'commander';
import type { IdentifyFlags } from './identify/run-identify.js';
import { addBatchOptions, addModelOptions, cosineOf } from './model-options.js';
import { wholeFrom } from './number-options.js';

/** `cosface identify`. */
export function identifyCommand(): Command {
  const command = new Command('identify')
    .description('find whom of a gallery each photo shows, if anyone')
    .argument('<photos...>', 'images')
    .requiredOption('--gallery <path>', 'a folder of identity folders, a list, a .rec file; or a .npy of cosface embed')
    .option('--gallery-list <file>', 'for a .npy: its list (default: beside it, .txt)')
    .option('--top <number>', 'people for each photo', wholeFrom(1), 5);
  return addBatchOptions(addModelOptions(command))
    .option('--threshold <cosine>', "accept from here on (default: the model's own)", cosineOf)
    .option('--json <file>', "write the figures as JSON; '-' is standard output")
    .addHelpText('after', '\nImages, those of the gallery too, are taken to be aligned already, unless --detect.')
    .action(async (photos: string[], flags: Omit<IdentifyFlags, 'photos'>) => {
      const { runIdentify } = await import('./identify/run-identify.js');
      await runIdentify({ ...flags, photos });
    });
}
