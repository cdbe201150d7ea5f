import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';

export interface CommandOptions {
  cwd?: string;
  env?: Readonly<Record<string, string | undefined>>;
  /** A file that gets everything the program prints, too. */
  log?: string;
}

export interface CommandOutcome {
  /** Exit status; `null` where a signal ended the program. */
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/**
 * Runs a program to its end, its standard input empty. A failing program is an outcome and no error.
 *
 * @throws {NodeJS.ErrnoException} ENOENT: there is no such program.
 */
export function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandOutcome> {
  const { cwd, env = process.env, log } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd, env: env as NodeJS.ProcessEnv, stdio: ['ignore', 'pipe', 'pipe'] });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] += text;
        if (log) appendFileSync(log, text);
      });
    }
    // Without this, a program of ours that outlives us would go on writing where the next run works.
    const stop = (signal: NodeJS.Signals) => {
      child.kill('SIGTERM');
      process.exit(signal === 'SIGINT' ? 130 : 143);
    };
    const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.once(signal, stop);
    const release = () => {
      for (const signal of signals) process.off(signal, stop);
    };
    child.on('error', (error) => {
      release();
      reject(error);
    });
    child.on('close', (status, signal) => {
      release();
      resolve({ status, signal, ...output });
    });
  });
}

/** The last lines that say something, for an error message. */
export function lastLines(text: string, count: number): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.slice(-count).join('\n');
}
