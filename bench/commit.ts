import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findPackageRoot } from '../src/native/package-root.js';

/** The commit of this package's checkout, `-dirty` with uncommitted changes; `vX.Y.Z` in an installed package. */
export function currentCommit(): string {
  const root = findPackageRoot();
  if (!root) return 'unknown';
  // An installed package may lie in someone else's checkout, whose commit says nothing about this code.
  if (!existsSync(join(root.directory, '.git'))) return `v${root.version}`;
  try {
    return execFileSync('git', ['describe', '--always', '--dirty', '--abbrev=12', '--exclude=*'], {
      cwd: root.directory,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return `v${root.version}`;
  }
}
