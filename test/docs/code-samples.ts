import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../native/built-package.js';

/** A fenced block of a document, as its reader copies it. */
export interface CodeSample {
  /** The document's path from the root. */
  document: string;
  /** Line of the fence, from 1. */
  line: number;
  language: string;
  code: string;
}

/** Every document that a user reads. */
export const DOCUMENTS: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...['docs', 'bench', 'bench/cuda', 'bench/peers', 'examples/browser'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name}`),
  ),
];

export function codeSamples(document: string): CodeSample[] {
  const samples: CodeSample[] = [];
  let open: CodeSample | undefined;
  for (const [index, text] of readFileSync(join(root, document), 'utf8').split('\n').entries()) {
    const fence = /^\s*```(\w*)/.exec(text);
    if (fence && open) {
      samples.push(open);
      open = undefined;
    } else if (fence) open = { document, line: index + 1, language: fence[1] ?? '', code: '' };
    else if (open) open.code += `${text}\n`;
  }
  if (open) throw new Error(`${document}:${open.line}: the fence does not end`);
  return samples;
}
