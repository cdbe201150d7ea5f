// Runs the steps of a command one after another, each with its name and its time, and keeps count.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The repository's root; every command runs there. */
export const root = fileURLToPath(new URL('..', import.meta.url));

export const inCi = Boolean(process.env.CI) && process.env.CI !== 'false' && process.env.CI !== '0';

/** A step's failure, already in words: no stack is printed for it. */
export class StepError extends Error {}

const counts = { passed: 0, failed: 0, skipped: 0 };

export function addTestCounts({ passed, failed, skipped }) {
  counts.passed += passed;
  counts.failed += failed;
  counts.skipped += skipped;
}

/** Prints what became of every test; on a line of its own, for people and programs alike. */
export function printTestCounts() {
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
}

export function testCounts() {
  return { ...counts };
}

/**
 * Runs one step. It may return a few words for its closing line. Exits the process at the first failure of a step that
 * is told in words, after `onFailure`.
 */
export async function step(name, action, { onFailure = () => {} } = {}) {
  console.log(`\n== ${name}`);
  const start = performance.now();
  const seconds = () => `${((performance.now() - start) / 1000).toFixed(1)} s`;
  try {
    const note = await action();
    console.log(`-- ${name}: ${note ?? 'done'} (${seconds()})`);
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    console.error(`\nFAILED ${name} (${seconds()}): ${error.message}`);
    onFailure();
    process.exit(1);
  }
}

/** A part that this machine cannot run: a visible line, or in CI a failure. */
export function skip(what, missing) {
  if (inCi) throw new StepError(`${missing}; CI is set, so nothing may be skipped`);
  counts.skipped += 1;
  console.log(`SKIP ${what}: ${missing}`);
  return 'SKIPPED';
}

/** Runs a program in the repository's root, its output shown. Throws StepError unless it exits with 0. */
export function run(program, args, { env = {} } = {}) {
  const { error, status, signal } = spawnSync(program, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
    // npm and the programs in node_modules/.bin are .cmd files there.
    shell: process.platform === 'win32',
  });
  if (error) throw new StepError(`${program} could not be started: ${error.message}`);
  if (status !== 0)
    throw new StepError(`${[program, ...args].join(' ')} ended with ${signal ?? `exit status ${status}`}`);
}

/** Runs a program of an installed npm package. */
export function runBin(name, args, options) {
  run(`node_modules/.bin/${name}`, args, options);
}
