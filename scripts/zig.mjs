// Zig, whose clang compiles for any system with the C library of any age: the binaries of the platform packages are cut
// with it. From its wheel on PyPI into build-tools/zig: 100 MB to download, no root.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, StepError } from './steps.mjs';
import { findPython } from './tools.mjs';

const VERSION = '0.17.1';
const FOLDER = join(root, 'build-tools', `zig-${VERSION}`);
const ZIG = join(FOLDER, 'ziglang', 'zig');

/** A C++ compiler for a target, for build tools that want it to be one program. */
export function zigCompiler(target) {
  const script = join(root, 'build-tools', `c++-${target}`);
  writeFileSync(script, `#!/bin/sh\nexec '${bringZig()}' c++ -target ${target} "$@"\n`, { mode: 0o755 });
  return script;
}

/** The path of zig, fetched where it is missing; whole or not at all. */
export function bringZig() {
  if (existsSync(ZIG)) return ZIG;
  const python = findPython();
  if (!python || spawnSync(python, ['-m', 'pip', '--version'], { stdio: 'ignore' }).status !== 0)
    throw new StepError('Python 3 with pip is missing: it fetches zig (Debian, Ubuntu: python3 python3-pip)');
  const part = `${FOLDER}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { recursive: true });
  const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--no-compile', '--only-binary=:all:'];
  run(python, ['-m', 'pip', 'install', ...options, '--target', part, `ziglang==${VERSION}`], {
    env: { PIP_ROOT_USER_ACTION: 'ignore' },
  });
  renameSync(part, FOLDER);
  return ZIG;
}
