import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { encoded, madeImage, temporaryFolder } from '../data/made-images.js';

/** A folder with an image of each name: those of one first letter look alike. */
export async function madeFaces(...names: string[]): Promise<string> {
  const folder = temporaryFolder();
  for (const [at, name] of names.entries()) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    const kind = 53 * (name.codePointAt(0) ?? 0) + at;
    writeFileSync(join(folder, name), await encoded(madeImage(24, 36, kind), 'png'));
  }
  return folder;
}

/** `a/0.png`, `a/1.png`, ... */
export function manyNames(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${'abcde'[at % 5]}/${String(at).padStart(3, '0')}.png`);
}
