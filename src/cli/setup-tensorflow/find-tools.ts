import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { runCommand } from '../run-command.js';
import { setupError } from './setup-error.js';

type Environment = Readonly<Record<string, string | undefined>>;

const PYTHON_NAMES = ['python3', 'python', ...[14, 13, 12, 11, 10, 9].map((minor) => `python3.${minor}`)];
const LEAST_PYTHON_MINOR = 9;

export interface Python {
  path: string;
  /** As in '3.11'. */
  version: string;
  hasPip: boolean;
}

/** The file that a program's name stands for, or `undefined`. */
export function findProgram(name: string, env: Environment = process.env): string | undefined {
  const folders = name.includes('/') ? [''] : (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * A Python 3.9 or later: $PYTHON where that is set, else the first on the PATH, one with pip before one without.
 *
 * @throws {CosFaceError} COSFACE_SETUP: there is none.
 */
export async function findPython(env: Environment = process.env): Promise<Python> {
  const names = env['PYTHON'] ? [env['PYTHON']] : PYTHON_NAMES;
  const found: Python[] = [];
  for (const name of names) {
    const path = findProgram(name, env);
    const python = path === undefined ? undefined : await inspectPython(path, env);
    if (python?.hasPip) return python;
    if (python) found.push(python);
  }
  if (found[0]) return found[0];
  throw setupError(
    `no Python 3.${LEAST_PYTHON_MINOR} or later was found (tried ${names.join(', ')}). Its pip fetches the TensorFlow ` +
      'wheel, and node-gyp needs it. Install it (Debian: apt install python3 python3-pip), or name one in PYTHON.',
  );
}

async function inspectPython(path: string, env: Environment): Promise<Python | undefined> {
  const script = 'import sys; print(sys.version_info[0], sys.version_info[1])';
  const { status, stdout } = await runCommand(path, ['-c', script], { env });
  const [major = 0, minor = 0] = stdout.trim().split(' ').map(Number);
  if (status !== 0 || major !== 3 || minor < LEAST_PYTHON_MINOR) return undefined;
  const pip = await runCommand(path, ['-m', 'pip', '--version'], { env });
  return { path, version: `${major}.${minor}`, hasPip: pip.status === 0 };
}

/** @throws {CosFaceError} COSFACE_SETUP: there is no C++ compiler or no make. */
export function checkBuildTools(env: Environment = process.env): void {
  const compiler = env['CXX'] || 'g++';
  if (!findProgram(compiler.split(' ')[0] as string, env)) {
    throw setupError(
      `no C++ compiler was found (tried ${compiler}). tfjs-node's binding is built from source. Install one (Debian: ` +
        'apt install g++ make), or name one in CXX.',
    );
  }
  if (!findProgram(env['MAKE'] || 'make', env)) {
    throw setupError('make was not found; node-gyp needs it. Install it (Debian: apt install make).');
  }
}
