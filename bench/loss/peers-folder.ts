import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../../src/cli/setup-tensorflow/provide-wheel.js';
import { findPackageRoot } from '../../src/native/package-root.js';

/** The files of bench/peers in this package. */
export interface PeerFiles {
  requirements: string;
  row: string;
}

/** @throws {Error} The package's folder is not to be found. */
export function peerFiles(): PeerFiles {
  const root = findPackageRoot();
  if (!root) throw new Error('the package folder of cosface was not found: keep cosface out of the bundle.');
  const folder = join(root.directory, 'bench', 'peers');
  return { requirements: join(folder, 'requirements.txt'), row: join(folder, 'row.py') };
}

/** Where the virtual environment of these very requirements is or will be: beside downloaded wheels. */
export function peersFolder(): string {
  const hash = createHash('sha256').update(readFileSync(peerFiles().requirements)).digest('hex');
  return join(cacheFolder(), `peers-${hash.slice(0, 12)}`);
}

/** The Python of that environment; `undefined` where it has not been set up. */
export function peersPython(): string | undefined {
  const python = join(peersFolder(), 'bin', 'python');
  return existsSync(python) ? python : undefined;
}
