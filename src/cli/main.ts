#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { CosFaceError } from '../native/errors.js';
import { findPackageRoot } from '../native/package-root.js';
import { alignCommand } from './align.js';
import { benchCommand } from './bench.js';
import { buildCommand } from './build.js';
import { demoCommand } from './demo.js';
import { doctorCommand } from './doctor.js';
import { embedCommand } from './embed.js';
import { evaluateCommand } from './evaluate.js';
import { experimentCommand } from './experiment.js';
import { identifyCommand } from './identify.js';
import { setupTensorflowCommand } from './setup-tensorflow.js';
import { trainCommand } from './train.js';
import { verifyCommand } from './verify.js';

/** For a command line that cannot be understood; a command that fails exits with 1. */
const USAGE_ERROR = 2;

const COMMANDS = [
  alignCommand,
  benchCommand,
  buildCommand,
  demoCommand,
  doctorCommand,
  embedCommand,
  evaluateCommand,
  experimentCommand,
  identifyCommand,
  setupTensorflowCommand,
  verifyCommand,
  trainCommand,
];

async function main(): Promise<void> {
  const program: Command = new Command('cosface')
    .description('CosFace loss and its family as native kernels for TensorFlow.js')
    .version(findPackageRoot()?.version ?? 'bundled', '--version')
    .showHelpAfterError('Run it with --help for what there is.')
    .addHelpText('before', () => refuseUnknownCommand(program))
    .exitOverride();
  for (const create of COMMANDS) program.addCommand(adopted(create(), program));
  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = exitCodeOf(error);
  }
}

/** `addCommand` hands on nothing of the program's settings: neither to a command nor to those below it. */
function adopted(command: Command, program: Command): Command {
  for (const below of command.commands) adopted(below as Command, program);
  return command.copyInheritedSettings(program);
}

/** Commander answers `unknown --help` with its general help and status 0, as if the command were there. */
function refuseUnknownCommand(program: Command): string {
  const [name = ''] = program.args;
  // A known command shows its own help and does not come here.
  if (name !== '' && name !== 'help' && !name.startsWith('-'))
    program.error(`error: unknown command '${name}'`, { code: 'commander.unknownCommand' });
  return '';
}

/** Prints what has not been printed yet. Anything but our own errors is a defect, and goes on with its stack. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_ERROR;
  if (!(error instanceof CosFaceError)) throw error;
  console.error(error.message);
  return 1;
}

await main();
