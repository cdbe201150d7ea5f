import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface PackageRoot {
  directory: string;
  version: string;
}

/**
 * The folder of cosface's own package.json: the nearest one upwards that bears its name, be this file run from src/ or
 * from dist/. `undefined` where a bundler has moved the code out of the package.
 */
export function findPackageRoot(from: string = dirname(fileURLToPath(import.meta.url))): PackageRoot | undefined {
  const manifest = readManifest(from);
  if (manifest?.name === 'cosface') return { directory: from, version: manifest.version };
  const parent = dirname(from);
  return parent === from ? undefined : findPackageRoot(parent);
}

function readManifest(directory: string): { name?: string; version: string } | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
  } catch {
    return undefined; // none here, or one that is not ours to judge
  }
}
