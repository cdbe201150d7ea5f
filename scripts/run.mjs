// The one program behind `npm run demo|test|build|bench`. Each does whatever set-up is missing, so that it works from
// a fresh clone; what is up to date is left alone. Needs nothing but Node until the packages are there.
import { spawnSync } from 'node:child_process';
import { findToolkit } from './cuda-toolkit.mjs';
import { buildCudaLibraryBesideAddons, buildNative, buildTypescript, installPackages } from './set-up.mjs';
import { setUpCuda } from './setup-cuda.mjs';
import { root, step } from './steps.mjs';
import { test } from './test.mjs';
import { buildWasm } from './wasm.mjs';

async function buildForNode() {
  await step('addon', buildNative);
  await step('JavaScript', buildTypescript);
}

/** `--cuda`: the CUDA library beside every addon there is, and a compiler for it where none is installed. */
async function build(args) {
  await step('packages', installPackages);
  await step('WebAssembly kernels', buildWasm);
  await buildForNode();
  if (args.length === 0) return;
  if (args.join() !== '--cuda') {
    console.error('usage: npm run build [-- --cuda]');
    process.exit(2);
  }
  await step('CUDA compiler', () => setUpCuda());
  await step('CUDA library', () => buildCudaLibraryBesideAddons(findToolkit().toolkit));
}

/** The command line `cosface <command>` of this checkout; its exit status is ours. */
async function cosface(command, args) {
  await step('packages', installPackages);
  await buildForNode();
  console.log();
  const { status } = spawnSync(process.execPath, ['dist/cli/main.js', command, ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
}

const COMMANDS = {
  build,
  demo: (args) => cosface('demo', args),
  bench: (args) => cosface('bench', args),
  test,
};

const [name, ...args] = process.argv.slice(2);
if (!Object.hasOwn(COMMANDS, name ?? '')) {
  console.error(`usage: node scripts/run.mjs <${Object.keys(COMMANDS).join('|')}> [arguments]`);
  process.exit(2);
}
await COMMANDS[name](args);
