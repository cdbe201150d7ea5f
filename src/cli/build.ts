import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { backendInfo } from '../native/backend-info.js';
import { CosFaceError } from '../native/errors.js';
import { findPackageRoot } from '../native/package-root.js';
import { lastLines, runCommand } from './run-command.js';
import { writeJson } from './write-json.js';

/** Where cmake-js is not installed, npm fetches it for this one run. */
const CMAKE_JS = 'cmake-js@8';

/** `cosface build`. */
export function buildCommand(): Command {
  return new Command('build')
    .description('build the native addon from the source in this package')
    .option('--json <file>', "write the result as JSON; '-' is standard output")
    .addHelpText('after', '\nNeeds a C++20 compiler, and Python and make, or CMake.')
    .action(async ({ json }: { json?: string }) => {
      await build(packageDirectory());
      const info = backendInfo();
      if (info.binary === null)
        throw new CosFaceError('COSFACE_NO_BINARY', info.reasons.join('\n').replace(/^COSFACE_NO_BINARY: /, ''));
      if (json !== '-') console.log(`${info.binary}\n  instruction set ${info.isa}, ${info.threads} threads`);
      if (json !== undefined) writeJson(json, info);
    });
}

function packageDirectory(): string {
  const root = findPackageRoot();
  if (root) return root.directory;
  throw new CosFaceError(
    'COSFACE_NO_BINARY',
    'the package folder of cosface was not found, and with it the source. Keep cosface out of the bundle.',
  );
}

/** A checkout has binding.gyp; the npm package has only CMakeLists.txt. */
async function build(directory: string): Promise<void> {
  const [program, args] = existsSync(join(directory, 'binding.gyp')) ? nodeGyp() : cmakeJs(directory);
  let said: string;
  try {
    const { status, stdout, stderr } = await runCommand(program, args, { cwd: directory });
    if (status === 0) return;
    said = lastLines(stdout + stderr, 20);
  } catch (error) {
    said = (error as Error).message;
  }
  throw new CosFaceError(
    'COSFACE_NO_BINARY',
    `the addon could not be built in ${directory}. It needs a C++20 compiler, and Python and make, or CMake.\n${said}`,
  );
}

function nodeGyp(): [program: string, args: string[]] {
  const prefix = dirname(dirname(process.execPath));
  const headers = existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
  const script = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  return [process.execPath, [script, 'configure', 'build', `--jobs=${availableParallelism()}`, ...headers]];
}

function cmakeJs(directory: string): [program: string, args: string[]] {
  const compile = ['cmake-js', 'compile', '-O', 'build-cmake', '--directory', directory];
  return ['npm', ['exec', '--yes', `--package=${CMAKE_JS}`, '--', ...compile]];
}
