// Tells whether what was built from some files is still theirs, by a hash of their names and contents: git gives
// every file of a fresh clone or checkout a new time, so times tell nothing.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './steps.mjs';

function filesOf(path, ignored) {
  if (ignored.includes(path) || !existsSync(join(root, path))) return [];
  if (!statSync(join(root, path)).isDirectory()) return [path];
  return readdirSync(join(root, path))
    .sort()
    .flatMap((name) => filesOf(`${path}/${name}`, ignored));
}

function hashOf(sources, ignored) {
  const hash = createHash('sha256').update(`node ${process.versions.node}\n`);
  for (const file of sources.flatMap((source) => filesOf(source, ignored)))
    hash.update(`${file}\n`).update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

/**
 * Calls `build` unless `product` was built from these very sources.
 *
 * @param product - the file that `build` makes; the stamp lies beside it.
 * @param sources - files and folders, relative to the root.
 * @returns What was done, or a promise of that where `build` is asynchronous.
 */
export function buildUnlessCurrent({ product, sources, ignored = [] }, build) {
  const stamp = join(root, dirname(product), '.sources-sha256');
  const hash = hashOf(sources, ignored);
  if (existsSync(join(root, product)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return 'up to date';
  const finish = () => {
    mkdirSync(dirname(stamp), { recursive: true });
    writeFileSync(stamp, hash);
    return 'built';
  };
  const building = build();
  return building instanceof Promise ? building.then(finish) : finish();
}
