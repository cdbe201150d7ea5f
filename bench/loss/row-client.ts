import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { findPackageRoot } from '../../src/native/package-root.js';
import type { RowAnswer, RowRequest } from './row-answers.js';
import { rowEnvironment } from './row-environment.js';
import type { LossRow } from './rows.js';

/** The hidden command by which a row's process starts; src/cli/bench.ts. */
export const ROW_COMMAND = 'loss-row';

/** Enough of what a process wrote last to show why it died. */
const STDERR_BYTES = 4096;

/** The parent's end of one row's process; row-process.ts is the other. One request at a time. */
export class RowClient {
  private readonly child: ChildProcess;
  private stderr = '';

  private constructor(child: ChildProcess) {
    this.child = child;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-STDERR_BYTES);
    });
  }

  /** @throws {Error} The package's folder, and with it the program to start, is not to be found. */
  static start(row: LossRow): RowClient {
    const root = findPackageRoot();
    if (!root) throw new Error('the package folder of cosface was not found: keep cosface out of the bundle.');
    const child = fork(join(root.directory, 'dist/cli/main.js'), ['bench', ROW_COMMAND], {
      env: { ...process.env, ...rowEnvironment(row) },
      // gc before the baseline of peak memory; garbage of the set-up would count as free room.
      execArgv: ['--expose-gc'],
      // Standard output belongs to the report.
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // JSON would turn NaN, the worst of errors, into null.
      serialization: 'advanced',
    });
    return new RowClient(child);
  }

  /** A process that dies gives `failed`, with what it wrote last. */
  async ask(request: RowRequest): Promise<RowAnswer> {
    const waiting = new AbortController();
    const { signal } = waiting;
    try {
      this.child.send(request);
      return await Promise.race([
        once(this.child, 'message', { signal }).then(([message]) => message as RowAnswer),
        once(this.child, 'exit', { signal }).then(([code, killer]) => this.died(code, killer)),
      ]);
    } catch (error) {
      return { type: 'failed', reason: `the row's process cannot be reached: ${(error as Error).message}` };
    } finally {
      waiting.abort();
    }
  }

  /** Ends the process, whatever it is doing. */
  end(): void {
    this.child.kill('SIGKILL');
  }

  private died(code: number | null, killer: NodeJS.Signals | null): RowAnswer {
    const how = killer ? `was ended by ${killer}` : `ended with status ${code}`;
    return { type: 'failed', reason: `the row's process ${how}\n${this.stderr}`.trim() };
  }
}
