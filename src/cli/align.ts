import { Command, Option } from 'commander';
import type { AlignSettings } from './align/run-align.js';
import { wholeBetween } from './number-options.js';

/** `cosface align`. */
export function alignCommand(): Command {
  return new Command('align')
    .description('cut faces out of photos, turned and scaled so that eyes, nose and mouth lie where a net expects them')
    .argument('<images>', 'a folder of identity folders with photos')
    .requiredOption('--out <directory>', 'where the aligned faces go, in the same identity folders')
    .option('--landmarks <file>', 'five landmarks of each photo: path x1 y1 ... x5 y5 a line (eyes, nose, mouth)')
    .option('--detect', 'find faces and landmarks by the npm package @vladmandic/face-api')
    .addOption(
      new Option('--size <size>', 'height x width of the result').choices(['112x96', '112x112']).default('112x96'),
    )
    .addOption(new Option('--format <format>', 'of the result').choices(['jpg', 'png']).default('jpg'))
    .option('--quality <number>', 'of JPEG, 1 to 100', wholeBetween(1, 100), 95)
    .addOption(new Option('--bad <what>', 'what to do about a bad photo').choices(['skip', 'fail']).default('skip'))
    .option('--json <file>', "write the figures as JSON; '-' is standard output")
    .addHelpText('after', "\nPhotos are never changed. 112x96 is CosFace's and SphereFace's size, 112x112 ArcFace's.")
    .action(async (images: string, flags: Omit<AlignSettings, 'images'>) => {
      // Not before it is needed: the image library would slow down every other command.
      const { runAlign } = await import('./align/run-align.js');
      await runAlign({ ...flags, images });
    });
}
