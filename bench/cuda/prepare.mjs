// Builds what the first run wants into build-first-run: the CUDA library with its device code, the timer, the CUDA tests and
// the emulated driver. Wants CMake, a C++ compiler, GoogleTest and nvcc (npm run setup:cuda); the run itself wants none.
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { findToolkit } from '../../scripts/cuda-toolkit.mjs';
import { bringSanitizer } from '../../scripts/setup-cuda.mjs';
import { root, run, StepError, step } from '../../scripts/steps.mjs';
import { MANIFEST, PREPARED } from './prepared.mjs';

const BUILD = 'build-test/first-run';
const EMULATOR = 'libcuda-emulator.so';

function outputOf(program, args) {
  const { status, stdout } = spawnSync(program, args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (status !== 0) throw new StepError(`${program} ${args.join(' ')} ended with ${status}`);
  return stdout;
}

/** Programs of CTest that carry the label `cuda`, with their arguments. */
function cudaTests() {
  const { tests } = JSON.parse(outputOf('ctest', ['--test-dir', BUILD, '--show-only=json-v1', '-L', 'cuda']));
  return tests.map(({ command: [program, ...args] }) => ({ program, args, name: basename(program) }));
}

function build() {
  const { toolkit } = findToolkit();
  if (!toolkit) throw new StepError('no CUDA toolkit: npm run setup:cuda');
  run('cmake', ['-S', 'bench/cuda', '-B', BUILD, '-DCMAKE_BUILD_TYPE=Release', `-DCOSFACE_NVCC=${toolkit.nvcc}`]);
  const targets = ['first_run', ...cudaTests().map(({ name }) => name)];
  run('cmake', ['--build', BUILD, '--parallel', String(availableParallelism()), '--target', ...targets]);
}

function collect() {
  rmSync(PREPARED, { recursive: true, force: true });
  mkdirSync(PREPARED, { recursive: true });
  const tests = cudaTests();
  const files = readFileSync(join(root, BUILD, 'first-run-files.txt'), 'utf8')
    .trim()
    .split('\n');
  for (const file of [...files, ...tests.map(({ program }) => program)]) {
    copyFileSync(file, join(PREPARED, basename(file)));
    spawnSync('strip', ['--strip-debug', join(PREPARED, basename(file))], { stdio: 'ignore' });
  }
  const commit = outputOf('git', ['describe', '--always', '--dirty', '--abbrev=12', '--exclude=*']).trim();
  const manifest = { commit, emulator: EMULATOR, tests: tests.map(({ name, args }) => ({ name, args })) };
  writeFileSync(MANIFEST, JSON.stringify(manifest, null, 2));
  return `${tests.length} test programs`;
}

function packSanitizer() {
  const folder = bringSanitizer();
  for (const part of ['bin', 'lib'])
    cpSync(join(root, folder, part), join(PREPARED, 'sanitizer', part), { recursive: true });
}

function packNode() {
  writeFileSync(join(PREPARED, 'node.gz'), gzipSync(readFileSync(process.execPath), { level: 9 }));
}

/** @param options.packNode - packs this Node too; `packSanitizer`: compute-sanitizer from its wheel. */
export async function prepare(options) {
  await step('programs of the first run', build);
  await step('build-first-run', collect);
  if (options.packSanitizer) await step('compute-sanitizer', packSanitizer);
  if (options.packNode) await step('node', packNode);
}
