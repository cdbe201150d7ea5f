import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppendFile } from './append-file.js';
import type { RunFolder } from './run-folder.js';
import { TENSORBOARD_FILE, TensorBoardLog } from './tensorboard-log.js';

/** A line of `metrics.jsonl`: what was measured over the steps since the last such line, or of a whole verification. */
export interface Metrics {
  kind: 'train' | 'verification';
  /** Steps done. */
  step: number;
  [figure: string]: number | string | null;
}

/** How long the logs were at a checkpoint. */
export interface LogLengths {
  metrics: number;
  tensorBoard: number;
}

/** The figures of a run as they come: JSON lines, and the same for TensorBoard. */
export class RunLog {
  readonly #metrics: AppendFile;
  readonly #tensorBoard: TensorBoardLog;

  /** @param keep - at a resumed run: what of older logs was written before the checkpoint. */
  constructor({ folder, metrics }: RunFolder, keep: LogLengths = { metrics: 0, tensorBoard: 0 }) {
    this.#metrics = new AppendFile(metrics, keep.metrics);
    this.#tensorBoard = new TensorBoardLog(join(folder, TENSORBOARD_FILE), keep.tensorBoard);
  }

  get lengths(): LogLengths {
    return { metrics: this.#metrics.bytes, tensorBoard: this.#tensorBoard.bytes };
  }

  write(metrics: Metrics): void {
    this.#metrics.append(`${JSON.stringify(metrics)}\n`);
    const { kind, step, ...figures } = metrics;
    const numbers = Object.entries(figures).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
    this.#tensorBoard.scalars(step, Object.fromEntries(numbers.map(([name, value]) => [`${kind}/${name}`, value])));
  }

  close(): void {
    this.#metrics.close();
    this.#tensorBoard.close();
  }
}

/** All lines that a run has written. */
export function readMetrics({ metrics }: RunFolder): Metrics[] {
  return readFileSync(metrics, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Metrics);
}
