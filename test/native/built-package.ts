import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const root: string = fileURLToPath(new URL('../..', import.meta.url));

/** The addon under test: the one that the loader would take. */
export const binaryPath: string = firstThatExists([
  `${root}build/Release/cosface.node`,
  `${root}build-cmake/Release/cosface.node`,
]);

/** The package as a user imports it; child processes cannot read TypeScript. */
export function builtPackage(): string {
  return firstThatExists([`${root}dist/native/index.js`]);
}

function firstThatExists(paths: string[]): string {
  const path = paths.find(existsSync);
  if (!path) throw new Error(`none of ${paths.join(', ')} is there: run npm run build`);
  return path;
}

export interface ChildOutcome {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs a module's text in a Node of its own, without the COSFACE_* variables of this one. */
export function runModule(text: string, env: Record<string, string> = {}, nodeArgs: string[] = []): ChildOutcome {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('COSFACE_'));
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [...nodeArgs, '--input-type=module', '--eval', text],
    { cwd: root, encoding: 'utf8', env: { ...Object.fromEntries(inherited), ...env }, timeout: 100_000 },
  );
  return { status, signal, stdout, stderr };
}
