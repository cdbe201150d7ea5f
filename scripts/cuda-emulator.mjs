// Runs the CUDA kernels on the CPU: native/cuda/emulator and its tests, plain and under the sanitizers.
// `node scripts/cuda-emulator.mjs` does it all, or only the runs that are named: none, address, thread.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BROUGHT_CUTE, findToolkit } from './cuda-toolkit.mjs';
import { NATIVE_TEST_RUNS, runNativeTests } from './native-tests.mjs';
import { bringCute } from './setup-cuda.mjs';
import { root, StepError, skip, step } from './steps.mjs';

const TITLES = {
  none: 'CUDA kernels under emulation',
  address: 'CUDA kernels under emulation, AddressSanitizer and UndefinedBehaviorSanitizer',
  thread: 'CUDA kernels under emulation, ThreadSanitizer as detector of races',
};

const LAYOUTS = "the emulator's layouts of fragments against CuTe's";

/** Headers of CuTe and of CUDA, which they include; none where they are missing and nobody insists. */
function cuteIncludes() {
  const { toolkit } = findToolkit();
  if (!toolkit) {
    skip(LAYOUTS, 'a CUDA toolkit is missing: npm run setup:cuda');
    return [];
  }
  try {
    bringCute();
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    skip(LAYOUTS, error.message);
    return [];
  }
  const headers = join(toolkit.folder, 'include');
  return [join(root, BROUGHT_CUTE), headers, join(headers, 'cccl')];
}

/** @param testStep - runs one step, as `step` does. */
export async function checkUnderEmulation(testStep, modes = Object.keys(TITLES)) {
  for (const mode of modes)
    await testStep(TITLES[mode], () => {
      const run = NATIVE_TEST_RUNS.find(({ folder }) => folder === mode);
      const includes = mode === 'none' ? cuteIncludes() : [];
      const settings = [...run.settings, `COSFACE_CUTE_INCLUDE=${includes.join(';')}`];
      return runNativeTests({ ...run, settings, target: 'cuda_emulated_tests', select: ['-L', 'emulated'] });
    });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href)
  await checkUnderEmulation(step, process.argv.length > 2 ? process.argv.slice(2) : undefined);
