// Checks the layout of the C++ and CUDA sources with clang-format, at one fixed version: layouts differ between versions.
// `node scripts/native-format.mjs --write` mends it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, run, StepError, skip, step } from './steps.mjs';
import { findPython } from './tools.mjs';

const REQUIREMENT = 'clang-format==18.1.8';
const VENV = 'build-tools/clang-format';

function installedProgram() {
  const program = join(root, VENV, process.platform === 'win32' ? 'Scripts/clang-format.exe' : 'bin/clang-format');
  return existsSync(program) ? program : undefined;
}

function nativeSources() {
  const { stdout } = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', 'native', 'bench'], {
    cwd: root,
    encoding: 'utf8',
  });
  return stdout.split('\n').filter((path) => /\.(cc|cu|cuh|h)$/.test(path) && existsSync(join(root, path)));
}

function install() {
  const python = findPython();
  if (!python) return 'Python 3 is missing (it installs clang-format)';
  try {
    run(python, ['-m', 'venv', VENV]);
    run(join(root, VENV, process.platform === 'win32' ? 'Scripts/python' : 'bin/python'), [
      ...['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'],
      REQUIREMENT,
    ]);
    return undefined;
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    return `${REQUIREMENT} could not be installed: ${error.message} (Debian, Ubuntu: python3-venv)`;
  }
}

export function checkNativeFormat({ write = false } = {}) {
  const missing = installedProgram() ? undefined : install();
  if (missing) return skip('the layout of the C++ sources', missing);
  const sources = nativeSources();
  if (sources.length === 0) throw new StepError('git lists no C++ source under native/ and bench/');
  run(installedProgram(), [...(write ? ['-i'] : ['--dry-run', '--Werror']), ...sources]);
  return `${sources.length} files`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href)
  await step('layout of the C++ sources', () => checkNativeFormat({ write: process.argv.includes('--write') }));
