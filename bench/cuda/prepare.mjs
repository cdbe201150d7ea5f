// Builds what the first run wants into build-first-run: the CUDA library with its device code, the timer, the CUDA tests and
// the emulated driver. Wants CMake, a C++ compiler, GoogleTest and nvcc (npm run setup:cuda); the run itself wants none.
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { findToolkit } from '../../scripts/cuda-toolkit.mjs';
import { bringSanitizer } from '../../scripts/setup-cuda.mjs';
import { root, run, StepError } from '../../scripts/steps.mjs';
import { preparedFolder } from './prepared.mjs';

const BUILD = 'build-test/first-run';
const EMULATOR = 'libcosface_cuda_emulator.so';

function outputOf(program, args) {
  const { status, stdout } = spawnSync(program, args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (status !== 0) throw new StepError(`${program} ${args.join(' ')} ended with ${status}`);
  return stdout;
}

function linesOf(file) {
  return readFileSync(join(root, BUILD, file), 'utf8')
    .trim()
    .split('\n');
}

/** The CUDA test programs, which CMake has listed. */
function cudaTests(pattern) {
  return linesOf('first-run-tests.txt').filter((program) => pattern.test(basename(program)));
}

function build({ tests, settings }) {
  const { toolkit } = findToolkit();
  if (!toolkit) throw new StepError('no CUDA toolkit: npm run setup:cuda');
  const compiler = [`-DCOSFACE_NVCC=${toolkit.nvcc}`, '-DCMAKE_BUILD_TYPE=Release'];
  run('cmake', ['-S', 'bench/cuda', '-B', BUILD, ...compiler, ...settings]);
  const targets = ['first_run', ...cudaTests(tests).map((program) => basename(program))];
  run('cmake', ['--build', BUILD, '--parallel', String(availableParallelism()), '--target', ...targets]);
}

function collect({ folder, tests: pattern }) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const tests = cudaTests(pattern);
  for (const file of [...linesOf('first-run-files.txt'), ...tests]) {
    copyFileSync(file, join(folder, basename(file)));
    spawnSync('strip', ['--strip-debug', join(folder, basename(file))], { stdio: 'ignore' });
  }
  const commit = outputOf('git', ['describe', '--always', '--dirty', '--abbrev=12', '--exclude=*']).trim();
  const manifest = { commit, emulator: EMULATOR, tests: tests.map((program) => basename(program)) };
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest, null, 2));
  return `${tests.length} test programs`;
}

function packSanitizer({ folder }) {
  const wheel = bringSanitizer();
  for (const part of ['bin', 'lib'])
    cpSync(join(root, wheel, part), join(folder, 'sanitizer', part), { recursive: true });
}

function packNode({ folder }) {
  writeFileSync(join(folder, 'node.gz'), gzipSync(readFileSync(process.execPath), { level: 9 }));
}

/**
 * @param folder - where everything goes.
 * @param options.tests - which test programs, by name; all where not given.
 * @param options.settings - for CMake: an image that is there already.
 * @param options.sanitizer - compute-sanitizer too, from its wheel; `node`: this Node too.
 */
export function prepare(folder, { tests = /./, settings = [], sanitizer = false, node = false } = {}) {
  const choice = { folder: preparedFolder(folder), tests, settings };
  build(choice);
  const collected = collect(choice);
  if (sanitizer) packSanitizer(choice);
  if (node) packNode(choice);
  return `${collected} in ${folder}`;
}
