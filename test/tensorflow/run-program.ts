import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const root: string = fileURLToPath(new URL('../..', import.meta.url));

export interface ProgramOptions {
  /** Below test/. Default 'tensorflow'. */
  folder?: string;
  node?: string;
  nodeArgs?: string[];
  env?: Record<string, string>;
}

export interface ProgramOutcome {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs programs/`name`.mjs in a process of its own, against the built package. */
export function runProgram(name: string, args: string[] = [], options: ProgramOptions = {}): ProgramOutcome {
  if (!existsSync(`${root}dist/index.js`)) throw new Error('dist/ is missing: run npm run build');
  const { folder = 'tensorflow', node = process.execPath, nodeArgs = [], env = {} } = options;
  const program = `${root}test/${folder}/programs/${name}.mjs`;
  const inherited = Object.entries(process.env).filter(([key]) => !/^(COSFACE|VITEST|NODE_OPTIONS)/.test(key));
  const { status, signal, stdout, stderr } = spawnSync(node, ['--no-deprecation', ...nodeArgs, program, ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...Object.fromEntries(inherited), TF_CPP_MIN_LOG_LEVEL: '3', ...env },
    timeout: 240_000,
  });
  return { status, signal, stdout, stderr };
}

/** What a program that must succeed prints as its only line. */
export function resultOf<T>({ status, signal, stdout, stderr }: ProgramOutcome): T {
  if (status !== 0) throw new Error(`ended with ${signal ?? status}:\n${stdout}\n${stderr}`);
  return JSON.parse(stdout) as T;
}
