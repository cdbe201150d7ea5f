import { Command, Option } from 'commander';
import { FLIP_RULES } from '../recognise/flip-rule.js';
import type { EmbedFlags } from './embed/run-embed.js';
import { addBatchOptions, addModelOptions } from './model-options.js';

/** `cosface embed`. */
export function embedCommand(): Command {
  const command = new Command('embed')
    .description("a model's features of a set of images, as a .npy and a list that evaluate and NumPy read")
    .argument('<images>', 'a folder of images, at any depth; a list of them; or a .rec file')
    .requiredOption('--out <file>', 'the .npy to write')
    .option('--list <file>', 'the list to write, name and identity of each row (default: beside the .npy, .txt)')
    .option('--root <folder>', "for a list: what its paths are relative to (default: the list's folder)");
  return addBatchOptions(addModelOptions(command))
    .addOption(
      new Option(
        '--flip <rule>',
        "what becomes of the mirror images' features: none, concatenate, add, or separate, a second .npy " +
          "(default: as the model's own)",
      ).choices(FLIP_RULES),
    )
    .option('--json <file>', "write the figures as JSON; '-' is standard output")
    .addHelpText(
      'after',
      '\nImages are taken to be aligned already, unless --detect. Run again after an interruption, it goes on.',
    )
    .action(async (images: string, flags: Omit<EmbedFlags, 'images'>) => {
      // Not before it is needed: TensorFlow.js and the image library would slow down every other command.
      const { runEmbed } = await import('./embed/run-embed.js');
      await runEmbed({ ...flags, images });
    });
}
