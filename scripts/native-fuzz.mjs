// Builds the fuzz targets of native/test/fuzz with clang and runs each for a while; a finding ends the step.
//   node scripts/native-fuzz.mjs [seconds for each target]
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { addTestCounts, root, run, skip } from './steps.mjs';
import { missingForFuzzing } from './tools.mjs';

const TARGETS = ['margin_softmax_fuzz', 'resident_head_fuzz', 'cosine_search_fuzz'];
const FOLDER = 'build-test/fuzz';

export function fuzzNative(seconds) {
  const missing = missingForFuzzing();
  if (missing) return skip('fuzzing of the C ABI', missing);
  const settings = ['-DCMAKE_CXX_COMPILER=clang++', '-DCOSFACE_SANITIZE=fuzzer'];
  run('cmake', ['-S', 'native/test', '-B', FOLDER, ...settings]);
  run('cmake', ['--build', FOLDER, '--parallel', String(availableParallelism())]);
  for (const target of TARGETS) {
    // What was found before is the start of the next run; a crash's input stays beside the corpus.
    const corpus = `${FOLDER}/corpus/${target}`;
    mkdirSync(join(root, corpus), { recursive: true });
    const limits = [`-max_total_time=${seconds}`, '-max_len=600', '-timeout=20', '-rss_limit_mb=4096'];
    run(`${FOLDER}/fuzz/${target}`, [
      ...limits,
      `-artifact_prefix=${FOLDER}/${target}-`,
      '-verbosity=0',
      '-print_final_stats=1',
      corpus,
    ]);
    addTestCounts({ passed: 1, failed: 0, skipped: 0 });
  }
  return `${TARGETS.length} targets, ${seconds} s each`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) fuzzNative(Number(process.argv[2] ?? 60));
