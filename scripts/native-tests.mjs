// Builds and runs the C++ tests of native/test: as they are, under the sanitizers, and for 64-bit Arm in an emulator.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { addTestCounts, root, run, StepError, skip } from './steps.mjs';
import { findCmake, missingForAarch64 } from './tools.mjs';

/** Each run's folder in build-test, what CMake is told for it, and its name for people. */
export const NATIVE_TEST_RUNS = [
  { folder: 'none', settings: ['COSFACE_SANITIZE=none'], title: 'C++ tests' },
  {
    folder: 'address',
    settings: ['COSFACE_SANITIZE=address'],
    title: 'C++ tests, AddressSanitizer and UndefinedBehaviorSanitizer',
  },
  { folder: 'thread', settings: ['COSFACE_SANITIZE=thread'], title: 'C++ tests, ThreadSanitizer' },
  {
    folder: 'aarch64',
    settings: ['CMAKE_TOOLCHAIN_FILE=aarch64.cmake'],
    title: 'C++ tests, aarch64 under qemu-user',
    missing: missingForAarch64,
  },
];

/** Of all cases in a JUnit file of ctest, each of whose tests is one GoogleTest program. */
function countCases(junit) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const sum = (text, pattern) => [...text.matchAll(pattern)].reduce((total, [, n]) => total + Number(n), 0);
  for (const [, status, body] of junit.matchAll(/<testcase [^>]*?status="(\w+)"[^>]*>(.*?)<\/testcase>/gs)) {
    const passed = sum(body, /\[ {2}PASSED {2}\] (\d+) test/g);
    const failed = sum(body, /\[ {2}FAILED {2}\] (\d+) test/g);
    const skipped = sum(body, /\[ {2}SKIPPED \] (\d+) test/g);
    // A program that crashed, or one that is not GoogleTest's, tells no numbers.
    const unknown = passed + failed + skipped === 0 || (status === 'fail' && failed === 0) ? 1 : 0;
    counts.passed += passed + (status === 'run' ? unknown : 0);
    counts.failed += failed + (status === 'fail' ? unknown : 0);
    counts.skipped += skipped + (status === 'run' || status === 'fail' ? 0 : 1);
  }
  return counts;
}

/** `target` is what is built, `select` tells ctest which tests: all but those of cuda-emulator.mjs. */
export function runNativeTests({
  folder: name,
  settings,
  title,
  missing = () => undefined,
  target = 'all',
  select = ['-LE', 'emulated'],
}) {
  const lack = findCmake() ? missing() : 'CMake is missing (Debian, Ubuntu: cmake)';
  if (lack) return skip(title, lack);
  const folder = `build-test/${name}`;
  const junit = join(root, folder, 'junit.xml');
  rmSync(junit, { force: true });
  const jobs = String(availableParallelism());
  run('cmake', ['-S', 'native/test', '-B', folder, ...settings.map((setting) => `-D${setting}`)]);
  run('cmake', ['--build', folder, '--target', target, '--parallel', jobs]);
  try {
    // By default CTest keeps 1 KiB of what a passing program says, and with it not its count of cases.
    const wholeOutput = ['--test-output-size-passed', '1000000', '--test-output-size-failed', '1000000'];
    const output = ['--output-on-failure', ...wholeOutput, '--output-junit', junit];
    run('ctest', ['--test-dir', folder, ...select, '--parallel', jobs, ...output]);
  } finally {
    if (existsSync(junit)) addTestCounts(countCases(readFileSync(junit, 'utf8')));
  }
  const { passed, failed, skipped } = countCases(readFileSync(junit, 'utf8'));
  if (passed + failed + skipped === 0) return skip(title, 'GoogleTest is missing (Debian, Ubuntu: libgtest-dev)');
  if (failed > 0) throw new StepError(`${failed} failed`);
  return `${passed} passed`;
}
