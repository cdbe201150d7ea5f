import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { CosFaceError } from '../native/errors.js';
import { findPackageRoot } from '../native/package-root.js';
import { type FacePreparation, type FaceRequest, type PreparedFace, prepareFace } from './prepare-face.js';

/** Prepares images, here or in threads: the same bits either way. */
export interface FacePreparer {
  /** Threads beside this one; 0 where all is done in this one. */
  readonly threads: number;
  prepare(request: FaceRequest): Promise<PreparedFace>;
  close(): Promise<void>;
}

export interface NumberedRequest {
  number: number;
  request: FaceRequest;
}

export type FaceReply =
  | { number: number; face: PreparedFace }
  /** `code` is empty where it was no error of ours. */
  | { number: number; failure: { code: string; message: string } };

/** More do not help: reading the files becomes the limit. */
const MOST_THREADS = 8;

/**
 * Starts threads that prepare images, so that a busy main thread does not hold them up.
 *
 * @param threads - how many; 0 works in this thread. Default: one fewer than cores, 1 to 8, or 0 where the package is
 * not built.
 */
export function startFaceThreads(preparation: FacePreparation, threads?: number): FacePreparer {
  const root = findPackageRoot()?.directory;
  const file = root === undefined ? undefined : join(root, 'dist', 'data', 'face-worker.js');
  const built = file !== undefined && existsSync(file);
  const chosen = threads ?? (built ? Math.min(MOST_THREADS, Math.max(1, availableParallelism() - 1)) : 0);
  if (chosen === 0)
    return { threads: 0, prepare: (request) => prepareFace(request, preparation), close: async () => {} };
  if (built) return new FaceThreads(file, preparation, chosen);
  throw new CosFaceError('COSFACE_DATA', 'threads need dist/data/face-worker.js. Run npm run build, or use 0 threads.');
}

interface Waiting {
  resolve(face: PreparedFace): void;
  reject(error: Error): void;
}

class FaceThreads implements FacePreparer {
  readonly threads: number;
  readonly #workers: { worker: Worker; waiting: Map<number, Waiting> }[];
  #number = 0;
  #closed = false;

  constructor(file: string, preparation: FacePreparation, threads: number) {
    this.threads = threads;
    this.#workers = Array.from({ length: threads }, () => {
      const worker = new Worker(file, { workerData: preparation });
      const waiting = new Map<number, Waiting>();
      worker.on('message', (reply: FaceReply) => settle(waiting, reply));
      const fail = (error: Error) => {
        for (const { reject } of waiting.values()) reject(error);
        waiting.clear();
      };
      worker.on('error', fail);
      worker.on('exit', () => fail(new Error('a thread that prepares images has ended')));
      // Images that nobody waits for must not keep the process alive.
      worker.unref();
      return { worker, waiting };
    });
  }

  prepare(request: FaceRequest): Promise<PreparedFace> {
    if (this.#closed) return Promise.reject(new Error('the threads are closed'));
    const least = this.#workers.reduce((a, b) => (b.waiting.size < a.waiting.size ? b : a));
    const number = this.#number++;
    return new Promise((resolve, reject) => {
      if (least.waiting.size === 0) least.worker.ref();
      least.waiting.set(number, {
        resolve: (face) => {
          if (least.waiting.size === 0) least.worker.unref();
          resolve(face);
        },
        reject: (error) => {
          if (least.waiting.size === 0) least.worker.unref();
          reject(error);
        },
      });
      least.worker.postMessage({ number, request: compact(request) } satisfies NumberedRequest);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#workers.map(({ worker }) => worker.terminate()));
  }
}

/** A view into a large buffer, such as a whole .bin file, would take all of it along. */
function compact(request: FaceRequest): FaceRequest {
  const { source } = request;
  if ('decoded' in source || source.encoded.byteLength === source.encoded.buffer.byteLength) return request;
  return { ...request, source: { encoded: source.encoded.slice() } };
}

function settle(waiting: Map<number, Waiting>, reply: FaceReply): void {
  const waiter = waiting.get(reply.number);
  waiting.delete(reply.number);
  if ('face' in reply) waiter?.resolve(reply.face);
  else waiter?.reject(errorOf(reply.failure));
}

function errorOf({ code, message }: { code: string; message: string }): Error {
  // The message has its code in front already.
  return code === '' ? new Error(message) : new CosFaceError(code, message.slice(code.length + 2));
}
