// Holds the compiled CUDA kernels against native/cuda/budgets.json: what a GPU would only show as lost speed, or as a
// launch that fails. `node scripts/cuda-static-check.mjs FATBIN` prints the table.
//
// Of every kernel on every architecture: no spill and no local memory, registers within its budget, threads as launched,
// blocks that fit on a multiprocessor at a time, instructions that must be there (HMMA, LDSM, LDGSTS: the tensor cores
// and the copies past registers) and that must not be there, or no
// more often (DFMA). Of the image: every architecture, exactly one PTX.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { readDeviceCode } from './cuda-device-code.mjs';
import { architecturesOf, findToolkit } from './cuda-toolkit.mjs';
import { root, StepError, step } from './steps.mjs';

const KIB = 1024;
const WARP = 32;
/** Of a multiprocessor's registers, threads and blocks: CUDA C++ Programming Guide, technical specifications per compute capability. */
const PARTS = {
  sm_80: { image: 'sm_80', sharedBytes: 164 * KIB, blockBytes: 163 * KIB, threads: 2048, blocks: 32 },
  sm_86: { image: 'sm_80', sharedBytes: 100 * KIB, blockBytes: 99 * KIB, threads: 1536, blocks: 16 },
  sm_89: { image: 'sm_80', sharedBytes: 100 * KIB, blockBytes: 99 * KIB, threads: 1536, blocks: 24 },
  sm_90: { image: 'sm_90', sharedBytes: 228 * KIB, blockBytes: 227 * KIB, threads: 2048, blocks: 32 },
  sm_100: { image: 'sm_100', sharedBytes: 228 * KIB, blockBytes: 227 * KIB, threads: 2048, blocks: 32 },
  sm_120: { image: 'sm_120', sharedBytes: 100 * KIB, blockBytes: 99 * KIB, threads: 1536, blocks: 24 },
};
/** A multiprocessor has four schedulers, each with registers of its own, handed to warps 256 at a time. */
const SCHEDULERS = 4;
const SCHEDULER_REGISTERS = 16384;
const REGISTER_GRAIN = 256;
/** What the driver takes for itself of each block's shared memory; listed as static from sm_90 on. */
const SYSTEM_SHARED_BYTES = KIB;

/** Blocks of a kernel that fit on a multiprocessor at a time; 0 where it cannot be launched there. */
export function blocksPerMultiprocessor({ registers, threads, sharedBytes }, part) {
  if (sharedBytes > part.blockBytes) return 0;
  const warpRegisters = Math.ceil((registers * WARP) / REGISTER_GRAIN) * REGISTER_GRAIN;
  const warps = SCHEDULERS * Math.floor(SCHEDULER_REGISTERS / warpRegisters);
  return Math.min(
    Math.floor(warps / Math.ceil(threads / WARP)),
    Math.floor(part.sharedBytes / (sharedBytes + SYSTEM_SHARED_BYTES)),
    Math.floor(part.threads / threads),
    part.blocks,
  );
}

function faultsOf(kernel, budget, parts) {
  const { registers, stackBytes, localBytes, staticSharedBytes, maxThreads, instructions } = kernel;
  const count = (opcode) => instructions.get(opcode) ?? 0;
  const faults = [];
  const allowed = budget.stackBytes ?? 0;
  if (stackBytes > allowed || localBytes > 0 || (allowed === 0 && count('LDL') + count('STL') > 0))
    faults.push(`local memory: stack ${stackBytes}, local ${localBytes}, LDL ${count('LDL')}, STL ${count('STL')}`);
  if (registers > budget.registers) faults.push(`${registers} registers, budget ${budget.registers}`);
  const systemBytes = kernel.architecture === 'sm_80' ? 0 : SYSTEM_SHARED_BYTES;
  if (staticSharedBytes > systemBytes)
    faults.push(`${staticSharedBytes - systemBytes} bytes of static shared memory, wanted none`);
  if (maxThreads !== budget.threads)
    faults.push(`__launch_bounds__ says ${maxThreads} threads, budget ${budget.threads}`);
  for (const [opcode, least] of Object.entries(budget.needs ?? {}))
    if (count(opcode) < least) faults.push(`${count(opcode)} ${opcode}, wanted ${least}`);
  for (const [opcode, most] of Object.entries(budget.atMost ?? {}))
    if (count(opcode) > most) faults.push(`${count(opcode)} ${opcode}, at most ${most}`);
  for (const { name, blocks } of parts) {
    const least = budget.blocks[name] ?? budget.blocks.least;
    if (blocks < least) faults.push(`${blocks} blocks a multiprocessor on ${name}, wanted ${least}`);
  }
  return faults;
}

/** A kernel on one architecture against its budget. */
function checkKernel(kernel, budget) {
  const { registers, architecture } = kernel;
  const { threads, sharedBytes } = budget;
  const parts = Object.entries(PARTS)
    .filter(([, { image }]) => image === architecture)
    .map(([name, part]) => ({ name, blocks: blocksPerMultiprocessor({ registers, threads, sharedBytes }, part) }));
  return { ...kernel, threads, sharedBytes, parts, faults: faultsOf(kernel, budget, parts) };
}

/**
 * @param code - of `readDeviceCode`.
 * @param budgets - the kernels of budgets.json.
 * @param expected - `images` and `kernels` that must be there, by name.
 * @returns One row a kernel and architecture, each with its faults, and the faults of the whole.
 */
export function checkDeviceCode(code, budgets, expected) {
  const faults = [];
  const absent = expected.images.filter((image) => !code.images.includes(image));
  if (absent.length > 0) faults.push(`no image for ${absent.join(', ')}`);
  if (code.ptx !== 1) faults.push(`${code.ptx} PTX, wanted 1`);
  for (const name of expected.kernels) {
    if (!Object.hasOwn(budgets, name)) faults.push(`${name} is in kernel_list.h and has no budget`);
    for (const image of code.images)
      if (!code.kernels.some((kernel) => kernel.name === `cosface_${name}` && kernel.architecture === image))
        faults.push(`${name} is in kernel_list.h and not in the image for ${image}`);
  }
  for (const name of Object.keys(budgets))
    if (!expected.kernels.includes(name)) faults.push(`${name} has a budget and is not in kernel_list.h`);
  const rows = code.kernels.flatMap((kernel) => {
    const budget = budgets[kernel.name.replace(/^cosface_/, '')];
    if (budget) return [checkKernel(kernel, budget)];
    faults.push(`${kernel.name} for ${kernel.architecture} has no budget`);
    return [];
  });
  return { rows, faults };
}

/** Kernels by name, from the X-macro of kernel_list.h. */
export function listedKernels() {
  const text = readFileSync(join(root, 'native/cuda/kernel_list.h'), 'utf8').replace(/\/\/.*$/gm, '');
  return [...text.matchAll(/\bX\((\w+),\s*\w+\)/g)].map(([, name]) => name);
}

export function readBudgets() {
  return JSON.parse(readFileSync(join(root, 'native/cuda/budgets.json'), 'utf8')).kernels;
}

/** One line a kernel, its architectures side by side: registers, then blocks a multiprocessor. */
export function tableOf(rows) {
  const names = [...new Set(rows.map(({ name }) => name))];
  const header = ['kernel', 'threads', 'shared', ...new Set(rows.map(({ architecture }) => architecture))];
  const lines = names.map((name) => {
    const ofKernel = rows.filter((row) => row.name === name);
    const cells = ofKernel.map(
      ({ registers, parts }) => `${registers} (${parts.map(({ blocks }) => blocks).join('/')})`,
    );
    return [name.replace(/^cosface_/, ''), String(ofKernel[0].threads), String(ofKernel[0].sharedBytes), ...cells];
  });
  const rule = header.map((_, column) => (column === 0 ? '---' : '---:'));
  return [header, rule, ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Every fault in words, one a line. */
export function spellFaults({ rows, faults }) {
  const ofKernels = rows.flatMap(({ name, architecture, faults: its }) =>
    its.map((f) => `${name} for ${architecture}: ${f}`),
  );
  return [...faults, ...ofKernels];
}

export function checkFatbin(toolkit, fatbin) {
  const code = readDeviceCode(toolkit.cuobjdump, fatbin);
  const expected = { images: architecturesOf(toolkit), kernels: listedKernels() };
  const result = checkDeviceCode(code, readBudgets(), expected);
  console.log('registers (blocks that fit a multiprocessor at a time; sm_80 as sm_80/86/89)');
  console.log(tableOf(result.rows));
  const faults = spellFaults(result);
  if (faults.length > 0) throw new StepError(`${faults.length} faults\n${faults.join('\n')}`);
  return `${expected.kernels.length} kernels on ${code.images.join(', ')}, one PTX`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [fatbin, ...rest] = process.argv.slice(2);
  if (!fatbin || rest.length > 0) {
    console.error('usage: node scripts/cuda-static-check.mjs FATBIN');
    process.exit(2);
  }
  await step('compiled CUDA kernels', () => {
    const { toolkit } = findToolkit();
    if (!toolkit) throw new StepError('no CUDA toolkit: run npm run setup:cuda');
    return checkFatbin(toolkit, fatbin);
  });
}
