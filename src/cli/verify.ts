import { Command } from 'commander';
import { addModelOptions, cosineOf } from './model-options.js';
import type { VerifyFlags } from './verify/run-verify.js';

/** `cosface verify`. */
export function verifyCommand(): Command {
  const command = new Command('verify')
    .description('compare two faces: their score, and what is known of the threshold that decides')
    .argument('<left>', 'an image')
    .argument('<right>', 'another');
  return addModelOptions(command)
    .option('--threshold <cosine>', "accept from here on (default: the model's own)", cosineOf)
    .option('--json <file>', "write the figures as JSON; '-' is standard output")
    .addHelpText(
      'after',
      '\nImages are taken to be aligned already, unless --detect. Exits with 0 whether or not they are of one person.',
    )
    .action(async (left: string, right: string, flags: Omit<VerifyFlags, 'left' | 'right'>) => {
      const { runVerify } = await import('./verify/run-verify.js');
      await runVerify({ ...flags, left, right });
    });
}
