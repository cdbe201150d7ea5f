// Zig, whose clang compiles for any system with the C library of any age: the binaries of the platform packages are cut
// with it. From its wheel on PyPI into build-tools/zig: 100 MB to download, no root.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './steps.mjs';
import { bringWheels } from './wheels.mjs';

const VERSION = '0.17.1';
const FOLDER = `build-tools/zig-${VERSION}`;

/** A C++ compiler for a target, for build tools that want it to be one program. */
export function zigCompiler(target) {
  const script = join(root, 'build-tools', `c++-${target}`);
  writeFileSync(script, `#!/bin/sh\nexec '${bringZig()}' c++ -target ${target} "$@"\n`, { mode: 0o755 });
  return script;
}

/** The path of zig, fetched where it is missing. */
export function bringZig() {
  bringWheels({ wheels: [`ziglang==${VERSION}`], folder: FOLDER });
  return join(root, FOLDER, 'ziglang', 'zig');
}
