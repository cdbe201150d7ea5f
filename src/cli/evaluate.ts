import { Command, InvalidArgumentError, Option } from 'commander';
import { PROTOCOLS, VARIANTS } from '../evaluate/request.js';
import type { EvaluateFlags } from './evaluate/run-evaluate.js';
import { backendOption } from './model-options.js';
import { wholeFrom } from './number-options.js';

const FORMATS = `
Protocols and their --pairs:
  lfw       LFW's pairs.txt; ten folds by LFW's own rule and by those of SphereFace, CosFace_pytorch and InsightFace
  ytf       YouTube Faces' splits.txt; frames are pooled to videos
  ijb       ijb?_template_pair_label.txt; --list (or --templates) is ijb?_face_tid_mid.txt
  megaface  a list of the probes, text or MegaFace's JSON; left out: every row, but those with label -1
  pairs     lines: left, right, 1 or 0, and perhaps a fold

The list has a name for each row of features, perhaps a tab and a label. A model embeds only the images that the
protocol's lists name (megaface: all). Formats, rules and every option:
docs/evaluation.md

Examples:
  cosface evaluate --model runs/mine/best --images lfw-112x96 --protocol lfw --pairs pairs.txt
  cosface evaluate --model runs/mine/best --images lfw.bin --protocol lfw
  cosface evaluate --features lfw.npy --list lfw.txt --protocol lfw --pairs pairs.txt --json -
  cosface evaluate --features probes.npy --list probes.txt --protocol megaface --distractors crowd.npy --out runs/crowd`;

/** `cosface evaluate`. */
export function evaluateCommand(): Command {
  return new Command('evaluate')
    .description(
      'score a model, or the features of any, by a public protocol: accuracy, ROC, AUC, EER, TAR at FAR, CMC',
    )
    .option('--features <file>', ".npy [rows, features], or a folder of MegaFace's feature files")
    .option('--list <file>', 'the name of each row, line by line; with --model: of the images to take')
    .option('--model <folder>', 'instead of --features: a trained model, which embeds the images first')
    .option(
      '--images <path>',
      'with --model: a folder of aligned images at any depth, a list, a .rec file, or a .bin with its pairs',
    )
    .addOption(new Option('--protocol <name>', 'how to score').choices(PROTOCOLS).makeOptionMandatory())
    .option('--pairs <file>', "the protocol's list of pairs, see below")
    .option('--flipped <file>', 'features of the mirrored images, joined to those of --features')
    .addOption(
      new Option(
        '--flip <rule>',
        "with --model: protocol (the mirror images' features join as each protocol has it; default if the model " +
          'looks at them), none, concatenate or add',
      ).choices(['protocol', 'none', 'concatenate', 'add']),
    )
    .option('--batch <number>', 'with --model: images at a time', wholeFrom(1, 1e9), 64)
    .option('--detect', 'with --model: find and align faces first, by @vladmandic/face-api')
    .addOption(
      new Option('--bad <what>', 'with --model: what to do about a bad image')
        .choices(['skip', 'fail'])
        .default('fail'),
    )
    .addOption(backendOption())
    .addOption(
      new Option('--missing <rule>', 'a pair without features ends the run, or is left out and counted')
        .choices(['error', 'skip'])
        .default('error'),
    )
    .option('--far <rates>', 'false accept rates, with commas between', rates)
    .option('--confidence <level>', 'of the intervals', level, 0.95)
    .addOption(new Option('--variant <name>', 'lfw: whose accuracy stands first').choices(VARIANTS).default('exact'))
    .addOption(
      new Option(
        '--pooling <name>',
        'ytf: unit-mean (default), raw-mean, frame-pairs; ijb: raw-mean (default), unit-mean',
      ).choices(['unit-mean', 'raw-mean', 'frame-pairs']),
    )
    .option('--templates <file>', 'ijb: ijb?_face_tid_mid.txt, where --list is another')
    .option('--quality <file>', 'ijb: ijb?_name_5pts_score.txt, whose scores weigh the features')
    .option('--distractors <file>', 'megaface: features of other people; left out: the rows that are no probes')
    .option('--distractor-list <file>', 'megaface: their names')
    .option('--suffix <text>', "megaface: the end of feature files' names, e.g. _arcface.bin")
    .option('--counts <numbers>', 'megaface: sizes of the gallery (default 10, 100, ... and all)', wholeNumbers)
    .option('--ranks <number>', 'megaface: ranks of the CMC', wholeFrom(1, 1e9), 100)
    .option('--threads <number>', 'of the search (megaface), and that decode images (--model)', wholeFrom(1, 1e9))
    .option('--out <folder>', 'where pictures go, SVG and PNG')
    .option('--json <file>', "write the figures as JSON; '-' is standard output")
    .addHelpText('after', FORMATS)
    .action(async (flags: EvaluateFlags) => {
      // Not before it is needed: other commands need neither the binary nor the renderer.
      const { runEvaluate } = await import('./evaluate/run-evaluate.js');
      await runEvaluate(flags);
    });
}

function rates(text: string): number[] {
  const values = text.split(',').map(Number);
  if (text.trim() !== '' && values.every((value) => value > 0 && value <= 1)) return values;
  throw new InvalidArgumentError('Expected numbers above 0, up to 1, e.g. 1e-4,1e-3.');
}

function level(text: string): number {
  const value = Number(text);
  if (value > 0 && value < 1 && text.trim() !== '') return value;
  throw new InvalidArgumentError('Expected a number between 0 and 1, e.g. 0.95.');
}

function wholeNumbers(text: string): number[] {
  return text.split(',').map((part) => wholeFrom(1, 1e9)(part.trim()));
}
