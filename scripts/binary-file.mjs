// What a binary asks of the system that opens it, read from the file: a binary that asks for more than its package
// promises must not be packed.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { StepError } from './steps.mjs';

/** Of the platform packages: the machine, the newest GLIBC, and the libraries that may be asked for. */
const LIMITS = {
  'linux-x64-gnu': {
    machine: 'X86-64',
    glibc: [2, 28],
    libraries: /^(libc|libm|libdl|libpthread|ld-linux-x86-64)\.so/,
  },
  'linux-x64-musl': { machine: 'X86-64', glibc: null, libraries: /^libc\.so$/ },
  'linux-arm64-gnu': {
    machine: 'AArch64',
    glibc: [2, 28],
    libraries: /^(libc|libm|libdl|libpthread|ld-linux-aarch64)\.so/,
  },
  'linux-x64-cuda': {
    machine: 'X86-64',
    glibc: [2, 28],
    libraries: /^(libc|libm|libdl|libpthread|ld-linux-x86-64)\.so/,
  },
};

function readelf(option, file) {
  const { error, status, stdout, stderr } = spawnSync('readelf', ['--wide', option, file], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (error) throw new StepError(`readelf is missing (Debian, Ubuntu: binutils): ${error.message}`);
  if (status !== 0) throw new StepError(`readelf cannot read ${file}: ${stderr}`);
  return stdout;
}

/** @returns What it is for, NEEDED, how it is hardened, the newest GLIBC named, any GLIBCXX. */
export function readElf(file) {
  const [, machine = ''] = /Machine:\s+(.*)/.exec(readelf('--file-header', file)) ?? [];
  const libraries = Array.from(readelf('--dynamic', file).matchAll(/\(NEEDED\).*\[(.*)\]/g), ([, name]) => name);
  const symbols = readelf('--dyn-syms', file);
  const segments = readelf('--program-headers', file);
  const hardened = {
    'read-only relocations': segments.includes('GNU_RELRO') && /BIND_NOW|Flags: NOW/.test(readelf('--dynamic', file)),
    'a stack that cannot be executed': /GNU_STACK.* RW /.test(segments),
  };
  const versions = Array.from(symbols.matchAll(/@GLIBC_(\d+)\.(\d+)/g), ([, major, minor]) => [
    Number(major),
    Number(minor),
  ]);
  const glibc = versions.sort((a, b) => a[0] - b[0] || a[1] - b[1]).at(-1) ?? null;
  return { machine, libraries, hardened, glibc, glibcxx: [...new Set(symbols.match(/GLIBCXX_[\d.]+/g))] };
}

const MACH_O_64 = 0xfeedfacf;
const ARM64 = 0x0100000c;

/** Refuses a binary of which `name`'s package cannot be made; says in words what it asks for. */
export function checkBinary(name, file) {
  return name.startsWith('darwin') ? checkMachO(file) : checkElf(file, LIMITS[name]);
}

function checkMachO(file) {
  const bytes = readFileSync(file);
  const [magic, processor] = [bytes.readUInt32LE(0), bytes.readUInt32LE(4)];
  if (magic === MACH_O_64 && processor === ARM64) return 'Mach-O for arm64';
  throw new StepError(`${file} is no Mach-O for arm64: it starts with ${bytes.subarray(0, 8).toString('hex')}`);
}

function checkElf(file, { machine, glibc, libraries }) {
  const found = readElf(file);
  const faults = [];
  if (!found.machine.includes(machine)) faults.push(`it is for ${found.machine}, expected ${machine}`);
  const foreign = found.libraries.filter((library) => !libraries.test(library));
  if (foreign.length > 0) faults.push(`it needs ${foreign.join(', ')}`);
  if (found.glibcxx.length > 0) faults.push(`it needs ${found.glibcxx.join(', ')}`);
  for (const [what, is] of Object.entries(found.hardened)) if (!is) faults.push(`it lacks ${what}`);
  const newest = found.glibc?.join('.');
  if (
    found.glibc &&
    (glibc === null || found.glibc[0] > glibc[0] || (found.glibc[0] === glibc[0] && found.glibc[1] > glibc[1]))
  )
    faults.push(`it needs GLIBC_${newest}, allowed is ${glibc ? `GLIBC_${glibc.join('.')}` : 'none'}`);
  if (faults.length > 0) throw new StepError(`${file}: ${faults.join('; ')}`);
  return `${newest ? `GLIBC_${newest}` : 'no GLIBC'}, ${found.libraries.join(' ')}`;
}
