import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { outputError } from '../files/output-error.js';

/** A file that only grows, and can be taken back to where a checkpoint saw it end. */
export class AppendFile {
  readonly #path: string;
  readonly #handle: number;
  #bytes: number;

  /**
   * @param keep - how many bytes of an older file stay; the rest was written after the checkpoint.
   * @throws {CosFaceError} COSFACE_OUTPUT, as does `append`.
   */
  constructor(path: string, keep: number) {
    this.#path = path;
    try {
      mkdirSync(dirname(path), { recursive: true });
      // Appending, so that two handles could not write over each other.
      this.#handle = openSync(path, 'a');
      this.#bytes = Math.min(keep, fstatSync(this.#handle).size);
      ftruncateSync(this.#handle, this.#bytes);
    } catch (cause) {
      throw outputError(path, cause);
    }
  }

  /** How long the file is; for a checkpoint. */
  get bytes(): number {
    return this.#bytes;
  }

  append(content: string | Uint8Array): void {
    const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
    try {
      let written = 0;
      while (written < bytes.length) written += writeSync(this.#handle, bytes, written);
    } catch (cause) {
      throw outputError(this.#path, cause);
    }
    this.#bytes += bytes.length;
  }

  close(): void {
    closeSync(this.#handle);
  }
}
