// Compilers that are published as wheels on PyPI: no root, nothing outside build-tools/.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, StepError } from './steps.mjs';
import { findPython } from './tools.mjs';

/**
 * Installs wheels into `folder`, whole or not at all: what is half done lies elsewhere and is thrown away next time.
 * `prepare` is given that place and gives back the part of it that becomes `folder`.
 */
export function bringWheels({ wheels, folder, prepare = (part) => `${part}/site` }) {
  const stamp = join(root, folder, 'wheels.txt');
  const wanted = wheels.join('\n');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return 'up to date';
  const python = findPython();
  if (!python || spawnSync(python, ['-m', 'pip', '--version'], { stdio: 'ignore' }).status !== 0)
    throw new StepError(`Python 3 with pip is missing: it fetches ${wheels[0]} (Debian, Ubuntu: python3 python3-pip)`);
  const part = `${folder}.part`;
  for (const old of [part, folder]) rmSync(join(root, old), { recursive: true, force: true });
  mkdirSync(join(root, part), { recursive: true });
  const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--no-compile', '--only-binary=:all:'];
  run(python, ['-m', 'pip', 'install', ...options, '--target', `${part}/site`, ...wheels], {
    env: { PIP_ROOT_USER_ACTION: 'ignore' },
  });
  const made = prepare(part);
  writeFileSync(join(root, made, 'wheels.txt'), wanted);
  renameSync(join(root, made), join(root, folder));
  rmSync(join(root, part), { recursive: true, force: true });
  return 'brought';
}
