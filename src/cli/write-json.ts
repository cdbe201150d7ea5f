import { replaceFile } from '../files/replace-file.js';

/** Writes a command's figures for programs to read; `-` is standard output. */
export function writeJson(target: string, figures: unknown): void {
  const text = `${JSON.stringify(figures, null, 2)}\n`;
  if (target === '-') process.stdout.write(text);
  else replaceFile(target, text);
}
