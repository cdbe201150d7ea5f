// The CPU kernels as a WebAssembly module, which the package for browsers holds: build-wasm/cosface.wasm.
import { mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { buildUnlessCurrent } from './sources-stamp.mjs';
import { root, run } from './steps.mjs';
import { bringZig } from './zig.mjs';

export const WASM_MODULE = 'build-wasm/cosface.wasm';

/** system.cc comes first: see there. */
const SOURCES = [
  ...['system', 'memory', 'module', 'isa', 'row_optimizer'].map((name) => `native/wasm/${name}.cc`),
  ...['bias', 'check', 'check_family', 'exact_cosine', 'exact_sums', 'finish_rows', 'job', 'label_smoothing'].map(
    ofCpu,
  ),
  ...['margin_softmax', 'negatives', 'pass_1', 'pass_2', 'plan', 'prepare_rows', 'score_strip'].map(ofCpu),
  ofCpu('kernels/wasm_simd'),
  ...['negative_logit', 'target_logit'].map((name) => `native/reference/${name}.cc`),
];

function ofCpu(name) {
  return `native/cpu/${name}.cc`;
}

/** What every browser with 128-bit vectors has had for longer. Small before fast: the loops that count are unrolled. */
const FLAGS = [
  ...['-target', 'wasm32-wasi', '-mexec-model=reactor', '-std=c++20', '-Oz', '-DNDEBUG', '-fvisibility=hidden'],
  ...['-msimd128', '-mbulk-memory', '-mnontrapping-fptoint', '-msign-ext', '-fno-exceptions', '-fno-rtti'],
  ...['-Wall', '-Wextra', '-Werror', '-Inative', '-Inative/include'],
  ...['-Wl,--no-entry', '-Wl,--strip-all', '-Wl,-z,stack-size=65536'],
];

/** Builds the module where its sources have changed. */
export function buildWasm() {
  const built = { product: WASM_MODULE, sources: ['native', 'scripts/wasm.mjs', 'scripts/zig.mjs'] };
  const outcome = buildUnlessCurrent({ ...built, ignored: ['native/test', 'native/cuda', 'native/addon'] }, () => {
    const zig = bringZig();
    mkdirSync(join(root, 'build-wasm'), { recursive: true });
    run(zig, ['c++', ...FLAGS, ...SOURCES, '-o', `${WASM_MODULE}.part`], {
      env: {
        ZIG_LOCAL_CACHE_DIR: join(root, 'build-wasm/cache'),
        ZIG_GLOBAL_CACHE_DIR: join(root, 'build-wasm/cache'),
      },
    });
    renameSync(join(root, `${WASM_MODULE}.part`), join(root, WASM_MODULE));
  });
  return `${outcome}, ${statSync(join(root, WASM_MODULE)).size} bytes`;
}
