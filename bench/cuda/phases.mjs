// The phases of the first run before the timing. Each gives `outcome` ('passed', 'failed' or 'skipped') and its details.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { LineProgram, lastLines, runProgram } from './programs.mjs';

const SANITIZER_TOOLS = ['memcheck', 'racecheck', 'initcheck', 'synccheck'];
/** Its exit status where it has found something: none of the programs' own. */
const SANITIZER_STATUS = 97;
const TEST_SECONDS = 1200;

/** Opens the library, the driver and the device, which loads the image and finds every kernel in it. */
export async function loadImage({ programs, env }) {
  const timer = new LineProgram(join(programs, 'step_timer'), [join(programs, 'cosface_cuda.node')], env);
  try {
    return { outcome: 'passed', device: await timer.ask('describe') };
  } catch (error) {
    return { outcome: 'failed', reason: error.message };
  } finally {
    await timer.close();
  }
}

/** One matrix product of a warp, and what else the kernels ask of the hardware, bit by bit against the emulator. */
export function compareInstructions({ programs, env, emulated }) {
  const image = emulated ? '--rehearse' : join(programs, 'instructions.fatbin');
  const { fault, output } = runProgram(join(programs, 'instruction_compare'), [image], {
    env,
    seconds: TEST_SECONDS,
  });
  return { outcome: fault ? 'failed' : 'passed', reason: fault, output: lastLines(output) };
}

function testCounts(output) {
  const count = (word) => Number(output.match(new RegExp(`\\[ +${word} +\\] (\\d+) test`))?.[1] ?? 0);
  return { passed: count('PASSED'), failed: count('FAILED'), skipped: count('SKIPPED') };
}

/** Every CUDA test program, the same that run under the emulator. */
export function runTests({ programs, env, tests }) {
  const runs = tests.map((name) => {
    const { fault, output, seconds } = runProgram(join(programs, name), [], { env, seconds: TEST_SECONDS });
    return { name, seconds, ...testCounts(output), fault, output: fault && lastLines(output) };
  });
  if (runs.length === 0) return { outcome: 'failed', reason: 'no test program was prepared' };
  const failed = runs.filter(({ fault }) => fault).map(({ name }) => name);
  if (failed.length === 0 && runs.every(({ passed }) => passed === 0))
    return { outcome: 'failed', reason: 'no test has run', runs };
  if (failed.length === 0) return { outcome: 'passed', runs };
  return { outcome: 'failed', reason: `${failed.join(', ')} failed`, runs };
}

/** compute-sanitizer of the user's choice, of what was prepared, or of an installed toolkit. */
function findSanitizer(programs) {
  const toolkits = [process.env.CUDA_HOME, process.env.CUDA_PATH, '/usr/local/cuda'].filter(Boolean);
  const candidates = [
    process.env.COSFACE_SANITIZER,
    join(programs, 'sanitizer', 'bin', 'compute-sanitizer'),
    ...toolkits.map((folder) => join(folder, 'bin', 'compute-sanitizer')),
  ];
  const found = candidates.find((path) => path && existsSync(path));
  return found ?? (runProgram('compute-sanitizer', ['--version']).fault ? undefined : 'compute-sanitizer');
}

export function runSanitizer({ programs, env, tests, emulated }) {
  if (emulated) return { outcome: 'skipped', reason: 'there is no device for it: this is a rehearsal' };
  const sanitizer = findSanitizer(programs);
  if (!sanitizer)
    return { outcome: 'skipped', reason: 'compute-sanitizer is not installed: COSFACE_SANITIZER can name it' };
  const runs = SANITIZER_TOOLS.flatMap((tool) =>
    tests.map((name) => {
      const options = ['--tool', tool, '--error-exitcode', String(SANITIZER_STATUS)];
      const { fault, output, seconds } = runProgram(sanitizer, [...options, join(programs, name)], {
        env,
        seconds: TEST_SECONDS,
      });
      return { name: `${tool} ${name}`, seconds, fault, output: fault && lastLines(output) };
    }),
  );
  const failed = runs.filter(({ fault }) => fault).map(({ name }) => name);
  return { outcome: failed.length > 0 ? 'failed' : 'passed', reason: failed.join(', ') || undefined, runs };
}
