import { copyFileSync, existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { backendInfo } from '../native/backend-info.js';
import { CosFaceError } from '../native/errors.js';
import { loadBinary } from '../native/load.js';
import { findPackageRoot } from '../native/package-root.js';
import { lastLines, runCommand } from './run-command.js';
import { writeJson } from './write-json.js';

/** Where cmake-js is not installed, npm fetches it for this one run. */
const CMAKE_JS = 'cmake-js@8';

/** `cosface build`. */
export function buildCommand(): Command {
  return new Command('build')
    .description('build the native addon from the source in this package')
    .option('--cuda', 'the CUDA library too')
    .option('--json <file>', "write the result as JSON; '-' is standard output")
    .addHelpText(
      'after',
      '\nNeeds a C++20 compiler, and Python and make, or CMake; with --cuda, CMake and nvcc 12.4 or later.',
    )
    .action(async ({ cuda, json }: { cuda?: boolean; json?: string }) => {
      const directory = packageDirectory();
      await build(directory);
      if (cuda) await buildCuda(directory);
      const info = backendInfo();
      if (info.binary === null)
        throw new CosFaceError('COSFACE_NO_BINARY', info.reasons.join('\n').replace(/^COSFACE_NO_BINARY: /, ''));
      if (json !== '-') {
        console.log(`${info.binary}\n  instruction set ${info.isa}, ${info.threads} threads`);
        if (cuda) console.log(`  CUDA: ${info.cuda.reason ?? `${info.cuda.device}, ${info.cuda.name}`}`);
      }
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
  await run(program, args, { directory, what: 'the addon', needs: 'a C++20 compiler, and Python and make, or CMake' });
}

const CUDA_LIBRARY = 'cosface_cuda.node';
/** CMake remembers its settings: the addon's own folder would want nvcc from then on. */
const CUDA_FOLDER = 'build-cuda';

/** The addon looks for the CUDA library beside itself, wherever it was built. */
async function buildCuda(directory: string): Promise<void> {
  const [program, args] = cmakeJs(directory, CUDA_FOLDER, ['--target', 'cosface_cuda', '--CDCOSFACE_CUDA=ON']);
  const needs = 'CMake, and nvcc of CUDA 12.4 or later in CUDA_HOME or on PATH';
  await run(program, args, { directory, what: 'the CUDA library', needs });
  const beside = join(dirname(loadBinary().path), CUDA_LIBRARY);
  copyFileSync(join(directory, CUDA_FOLDER, 'Release', CUDA_LIBRARY), beside);
}

interface Run {
  directory: string;
  what: string;
  needs: string;
}

async function run(program: string, args: string[], { directory, what, needs }: Run): Promise<void> {
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
    `${what} could not be built in ${directory}. It needs ${needs}.\n${said}`,
  );
}

function nodeGyp(): [program: string, args: string[]] {
  const prefix = dirname(dirname(process.execPath));
  const headers = existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
  const script = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  return [process.execPath, [script, 'configure', 'build', `--jobs=${availableParallelism()}`, ...headers]];
}

function cmakeJs(
  directory: string,
  folder = 'build-cmake',
  settings: string[] = [],
): [program: string, args: string[]] {
  const compile = ['cmake-js', 'compile', '-O', folder, '--directory', directory, ...settings];
  return ['npm', ['exec', '--yes', `--package=${CMAKE_JS}`, '--', ...compile]];
}
