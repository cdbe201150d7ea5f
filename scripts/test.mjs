// Everything behind `npm test`, in the order from quick to slow.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { checkCuda } from './cuda-checks.mjs';
import { checkUnderEmulation } from './cuda-emulator.mjs';
import { checkNativeFormat } from './native-format.mjs';
import { fuzzNative } from './native-fuzz.mjs';
import { NATIVE_TEST_RUNS, runNativeTests } from './native-tests.mjs';
import { prebuild } from './prebuild.mjs';
import { buildNative, buildTypescript, buildWithCmakeJs, buildWithNodeGyp, installPackages } from './set-up.mjs';
import { setUpTensorflowGpu } from './setup-tensorflow-gpu.mjs';
import {
  addTestCounts,
  inCi,
  printTestCounts,
  root,
  run,
  runBin,
  StepError,
  skip,
  step,
  testCounts,
} from './steps.mjs';
import { findCmake, findMake, findPython } from './tools.mjs';
import { buildWasm } from './wasm.mjs';

/** For each target; `node scripts/native-fuzz.mjs 3600` looks longer. */
const FUZZ_SECONDS = 20;
const VITEST_REPORT = 'build-test/vitest.json';

function buildByNodeGyp() {
  if (findPython() && findMake()) return buildWithNodeGyp();
  skip("node-gyp's build", 'Python 3 or make is missing (Debian, Ubuntu: python3 make)');
  return buildNative();
}

function buildByCmakeJs() {
  if (!findCmake()) return skip("cmake-js's build", 'CMake is missing (Debian, Ubuntu: cmake)');
  return buildWithCmakeJs();
}

function runVitest(args) {
  const report = join(root, VITEST_REPORT);
  mkdirSync(join(root, 'build-test'), { recursive: true });
  rmSync(report, { force: true });
  try {
    runBin('vitest', ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${VITEST_REPORT}`, ...args]);
  } finally {
    if (existsSync(report)) addTestCounts(countTests(JSON.parse(readFileSync(report, 'utf8'))));
  }
}

function countTests({ numPassedTests, numFailedTests, numPendingTests, numTodoTests }) {
  return { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests };
}

/** @param vitestArgs - handed on to vitest: a file, `--project native`, `-t name`. */
export async function test(vitestArgs) {
  const onFailure = () => {
    // A check that is no test fails too.
    if (testCounts().failed === 0) addTestCounts({ passed: 0, failed: 1, skipped: 0 });
    printTestCounts();
  };
  const testStep = (name, action) => step(name, action, { onFailure });

  await testStep('packages', installPackages);
  await testStep('addon (node-gyp)', buildByNodeGyp);
  await testStep('addon (cmake-js)', buildByCmakeJs);
  await testStep('WebAssembly kernels (zig)', buildWasm);
  await testStep('JavaScript (tsdown)', buildTypescript);
  await testStep('lint and layout (biome)', () => runBin('biome', ['ci', '.']));
  await testStep('types (tsc)', () => runBin('tsc', ['--noEmit']));
  await testStep('layout of the C++ sources (clang-format)', () => checkNativeFormat());
  for (const native of NATIVE_TEST_RUNS) await testStep(native.title, () => runNativeTests(native));
  await testStep('C ABI, fuzzed by libFuzzer', () => fuzzNative(FUZZ_SECONDS));
  await checkCuda(testStep);
  await checkUnderEmulation(testStep);
  await testStep('tfjs-node (cosface setup-tensorflow)', () => run('node', ['dist/cli/main.js', 'setup-tensorflow']));
  // Large downloads, which nobody but CI is asked for: elsewhere the tests of what they bring are skipped.
  if (inCi) {
    await testStep('tfjs-node-gpu (npm run setup:tensorflow-gpu)', setUpTensorflowGpu);
    await testStep('peers of the benchmark (cosface bench setup-peers)', () =>
      run('node', ['dist/cli/main.js', 'bench', 'setup-peers']),
    );
    await prebuild(['--cuda'], testStep);
  }
  await testStep('tests (vitest)', () => runVitest(vitestArgs));
  if (inCi)
    await testStep('nothing skipped', () => {
      const { skipped } = testCounts();
      if (skipped > 0) throw new StepError(`${skipped} tests were skipped; CI is set, so nothing may be skipped`);
    });
  console.log();
  printTestCounts();
}
