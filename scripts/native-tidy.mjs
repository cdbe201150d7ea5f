// `npm run tidy`: clang-tidy over the C++ sources that are no kernels; some minutes. .clang-tidy says what it looks for.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, step } from './steps.mjs';

const FOLDERS = ['native/cpu', 'native/reference', 'native/tensorflow', 'native/cuda'];
const BUILD = 'build-test/tidy';

await step('clang-tidy', () => {
  // It reads from CMake how each file is compiled.
  run('cmake', ['-S', 'native/test', '-B', BUILD, '-DCMAKE_EXPORT_COMPILE_COMMANDS=ON']);
  const sources = FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.cc'))
      .map((name) => `${folder}/${name}`),
  );
  run('clang-tidy', ['-p', BUILD, '--quiet', ...sources]);
  return `${sources.length} files`;
});
