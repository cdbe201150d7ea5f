import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Enough of what a process wrote last to show why it died. */
const STDERR_BYTES = 4096;

/** A process that answers each line of JSON with a line of JSON: bench/peers/row.py. One request at a time. */
export class PeerProcess {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly answers: AsyncIterator<string>;
  private stderr = '';

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.child = child;
    this.answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    child.stderr.setEncoding('utf8').on('data', (text: string) => this.keep(text));
    child.on('error', (error) => this.keep(error.message));
    // A write to a process that has died fails; that it has died shows in the answers.
    child.stdin.on('error', () => {});
  }

  /** It ends by itself when this process does: its standard input is then at its end. */
  static start(python: string, script: string, environment: Record<string, string>): PeerProcess {
    return new PeerProcess(spawn(python, [script], { env: { ...process.env, ...environment }, stdio: 'pipe' }));
  }

  /** @throws {Error} The answer is an error, or the process has ended; with what it wrote last. */
  async ask<T extends object = object>(request: object): Promise<T> {
    this.child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.answers.next();
    if (done) throw new Error(`the peer's process has ended\n${this.stderr}`.trim());
    const answer = JSON.parse(value) as T | { error: string };
    if ('error' in answer) throw new Error(answer.error);
    return answer;
  }

  private keep(text: string): void {
    this.stderr = (this.stderr + text).slice(-STDERR_BYTES);
  }
}
