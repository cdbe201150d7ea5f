// The first run on a machine with a GPU, in this order: the image loads, the instructions give the emulator's bits, all
// tests pass, compute-sanitizer finds nothing, and only then the times. README.md says how to run it.
//
// Nothing but Node's own modules: it runs from a bare checkout.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { compareInstructions, loadImage, runSanitizer, runTests } from './phases.mjs';
import { PREPARED, readPrepared } from './prepared.mjs';
import { LineProgram } from './programs.mjs';
import { markdownOf } from './report.mjs';
import { peakFlops, timeShapes } from './timing.mjs';

const USAGE = `usage: bench/cuda/first-run [options]         run; wants what prepare has made
       bench/cuda/first-run prepare           build it, into build-first-run
                            [--sanitizer]     and compute-sanitizer with it, from its wheel
                            [--node]          and this Node

  --emulated       a rehearsal without a GPU: the emulated driver, tiny shapes
  --python FILE    a Python that has PyTorch (default: python3)
  --folder FOLDER  of what was prepared (default: build-first-run)
  --json FILE      where the figures go (default: first-run.json in that folder)
  --markdown FILE  and the page (default: first-run.md there)
  --skip PHASE     leave out tests, sanitizer or times; may be repeated`;

/** Runs one phase and tells of it. */
async function runPhase(name, action) {
  console.log(`\n== ${name}`);
  const start = performance.now();
  const phase = { name, ...(await action()), seconds: (performance.now() - start) / 1000 };
  console.log(`-- ${name}: ${phase.outcome} (${phase.seconds.toFixed(1)} s)${phase.reason ? `: ${phase.reason}` : ''}`);
  return phase;
}

/** What PyTorch says of itself; undefined where it is not there. */
async function askPeers(python, device) {
  const peers = new LineProgram(python, [join(import.meta.dirname, 'peers.py'), device]);
  try {
    return await peers.ask('describe');
  } catch (error) {
    console.log(`SKIP PyTorch's rows: ${error.message}`);
    return undefined;
  } finally {
    await peers.close();
  }
}

async function takeTimes(setting, report) {
  const peersDevice = setting.emulated ? 'cpu' : 'cuda';
  report.peers = await askPeers(setting.python, peersDevice);
  report.peak = setting.emulated ? null : peakFlops(report.device);
  const python = report.peers && setting.python;
  report.rows = await timeShapes(
    { ...setting, python, peersDevice, peak: report.peak, tiny: setting.emulated },
    (rows) => {
      for (const row of rows)
        console.log(`${row.batch} x ${row.classes}  ${row.name}  ${row.fault ?? `${row.medianMs.toFixed(3)} ms`}`);
    },
  );
  const wrong = report.rows.filter(({ fault, peer }) => fault && !peer);
  return wrong.length === 0
    ? { outcome: 'passed' }
    : { outcome: 'failed', reason: wrong.map(({ name, fault }) => `${name}: ${fault}`).join('\n') };
}

async function runPhases(setting, report) {
  const add = async (name, action) => {
    const phase = await runPhase(name, () =>
      setting.skip.includes(name) ? { outcome: 'skipped', reason: 'as asked' } : action(),
    );
    report.phases.push(phase);
    return phase;
  };
  const loaded = await add('load', () => loadImage(setting));
  if (loaded.outcome === 'failed') return;
  report.device = loaded.device;
  await add('instructions', () => compareInstructions(setting));
  const tested = await add('tests', () => runTests(setting));
  await add('sanitizer', () => runSanitizer(setting));
  await add('times', () =>
    tested.outcome === 'failed' ? { outcome: 'skipped', reason: 'tests failed' } : takeTimes(setting, report),
  );
}

function write(file, text) {
  mkdirSync(dirname(resolve(file)), { recursive: true });
  writeFileSync(file, text);
  console.log(`written: ${file}`);
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      emulated: { type: 'boolean', default: false },
      node: { type: 'boolean', default: false },
      sanitizer: { type: 'boolean', default: false },
      python: { type: 'string', default: 'python3' },
      folder: { type: 'string', default: PREPARED },
      json: { type: 'string' },
      markdown: { type: 'string' },
      skip: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  if (positionals[0] === 'prepare') {
    const { prepare } = await import('./prepare.mjs');
    return console.log(prepare(values.folder, values));
  }
  const { programs, commit, tests, emulator } = readPrepared(values.folder);
  const env = values.emulated ? { COSFACE_CUDA_DRIVER: join(programs, emulator) } : {};
  const setting = { programs, env, tests, emulated: values.emulated, python: values.python, skip: values.skip };
  const report = { date: new Date().toISOString(), commit, emulated: values.emulated, phases: [], rows: [] };
  report.command = ['bench/cuda/first-run', ...process.argv.slice(2)].join(' ');
  await runPhases(setting, report);
  write(values.json ?? join(programs, 'first-run.json'), `${JSON.stringify(report, null, 2)}\n`);
  write(values.markdown ?? join(programs, 'first-run.md'), markdownOf(report));
  if (report.phases.some(({ outcome }) => outcome === 'failed')) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  console.error(error.code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' ? `${error.message}\n${USAGE}` : error.message);
  process.exitCode = 2;
}
