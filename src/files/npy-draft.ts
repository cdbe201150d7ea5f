import { type FileHandle, open, rename } from 'node:fs/promises';
import { outputError } from './output-error.js';

/** NumPy's own header of a matrix of float32 is 128 bytes too; every number of rows fits. */
const HEADER_BYTES = 128;
const VALUE_BYTES = 4;

/**
 * A .npy that grows row by row beside its place, as `<path>.part`, and takes it once it is whole. A draft that was left
 * behind can be gone on with.
 *
 * Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
export class NpyDraft {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #dim: number;
  #rows: number;

  private constructor(path: string, file: FileHandle, { dim, rows }: { dim: number; rows: number }) {
    this.#path = path;
    this.#file = file;
    this.#dim = dim;
    this.#rows = rows;
  }

  /**
   * @param rows - how many rows of an earlier draft to keep; what comes after them is dropped. 0 begins anew.
   * @returns `undefined` where there is no draft with so many rows.
   * @throws {CosFaceError} COSFACE_OUTPUT
   */
  static async open(path: string, { dim, rows }: { dim: number; rows: number }): Promise<NpyDraft | undefined> {
    const bytes = HEADER_BYTES + rows * dim * VALUE_BYTES;
    try {
      const file = await open(partOf(path), rows === 0 ? 'w' : 'r+');
      const draft = new NpyDraft(path, file, { dim, rows });
      if (rows === 0) return draft;
      if ((await file.stat()).size >= bytes) {
        await file.truncate(bytes);
        return draft;
      }
      await file.close();
      return undefined;
    } catch (cause) {
      if (rows > 0 && (cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw outputError(partOf(path), cause);
    }
  }

  get rows(): number {
    return this.#rows;
  }

  /** @param features - Row-major [N, dim]. */
  async append(features: Float32Array): Promise<void> {
    const { buffer, byteOffset, byteLength } = features;
    await this.#write(new Uint8Array(buffer, byteOffset, byteLength), this.#rows * this.#dim * VALUE_BYTES);
    this.#rows += features.length / this.#dim;
  }

  /** Waits until what was appended is on the disk. */
  async flush(): Promise<void> {
    await this.#file.datasync().catch((cause) => {
      throw outputError(partOf(this.#path), cause);
    });
  }

  /** Writes the header and moves the file to its place. */
  async finish(): Promise<void> {
    const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': (${this.#rows}, ${this.#dim}), }`;
    const header = Buffer.alloc(HEADER_BYTES, ' ');
    header.write('\x93NUMPY\x01\x00', 'latin1');
    header.writeUInt16LE(HEADER_BYTES - 10, 8);
    header.write(dict, 10, 'latin1');
    header.write('\n', HEADER_BYTES - 1, 'latin1');
    await this.#write(header, -HEADER_BYTES);
    await this.flush();
    await this.close();
    await rename(partOf(this.#path), this.#path).catch((cause) => {
      throw outputError(this.#path, cause);
    });
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  /** @param offset - from the first value. */
  async #write(bytes: Uint8Array, offset: number): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.#file.write(bytes, done, undefined, HEADER_BYTES + offset + done);
        done += bytesWritten;
      }
    } catch (cause) {
      throw outputError(partOf(this.#path), cause);
    }
  }
}

function partOf(path: string): string {
  return `${path}.part`;
}
