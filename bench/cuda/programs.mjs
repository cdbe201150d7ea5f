// Programs of the first run: started once for a whole output, or kept alive for one answer a line.
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Lines of a failing program's output that a report keeps. */
const LINES_KEPT = 40;

/** Runs a program to its end. `fault` says in words what went wrong; its absence, that it ended with 0. */
export function runProgram(program, args, { env = {}, seconds = 1800, cwd } = {}) {
  const start = performance.now();
  const { error, status, signal, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: seconds * 1000,
    maxBuffer: 2 ** 28,
    cwd,
  });
  const output = `${stdout ?? ''}${stderr ?? ''}`;
  const result = { output, seconds: (performance.now() - start) / 1000 };
  if (error) return { ...result, fault: error.code === 'ETIMEDOUT' ? `not done after ${seconds} s` : error.message };
  if (status !== 0) return { ...result, fault: `ended with ${signal ?? `exit status ${status}`}` };
  return result;
}

export function lastLines(text, count = LINES_KEPT) {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}

/** A program that answers each line with a line of JSON. */
export class LineProgram {
  #child;
  #answers;
  #ended;

  constructor(program, args, env = {}) {
    this.#child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(error.message));
      this.#child.once('exit', (code, signal) => resolve(`ended with ${signal ?? `exit status ${code}`}`));
    });
    // A program that has died is told of by its missing answer.
    this.#child.stdin.on('error', () => {});
  }

  /** @throws {Error} The program answered with an error, or has ended. */
  async ask(line) {
    this.#child.stdin.write(`${line}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(`${this.#child.spawnfile} ${await this.#ended}`);
    const answer = JSON.parse(value);
    if (answer.error) throw new Error(answer.error);
    return answer;
  }

  async close() {
    this.#child.stdin.end();
    await this.#ended;
  }
}
