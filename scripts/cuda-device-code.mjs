// Reads what a fatbin holds, by cuobjdump: images, and of every kernel in each its registers, memory and instructions.
import { spawnSync } from 'node:child_process';
import { StepError } from './steps.mjs';

function cuobjdump(program, args) {
  // The listing of a large image is tens of megabytes.
  const { error, status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 2 ** 30 });
  if (error) throw new StepError(`${program} could not be started: ${error.message}`);
  if (status !== 0) throw new StepError(`cuobjdump ${args.join(' ')} ended with ${status}: ${stderr}`);
  return stdout;
}

/** The parts of a listing that cuobjdump heads with an architecture: `[architecture, text]`. */
function byArchitecture(listing) {
  return listing
    .split(/^Fatbin elf code:$/m)
    .slice(1)
    .map((text) => [text.match(/^arch = (sm_\w+)$/m)[1], text]);
}

function countInstructions(sass) {
  const counts = new Map();
  // /*0040*/   @!P0 LDGSTS.E.BYPASS.128 [R5], [R2.64] ;   A line without an opcode holds the second half of the encoding.
  for (const [, opcode] of sass.matchAll(/^\s+\/\*[0-9a-f]+\*\/\s+(?:@!?U?P\w+ )?\s*([A-Z][A-Z0-9]*)/gm))
    counts.set(opcode, (counts.get(opcode) ?? 0) + 1);
  return counts;
}

/** Threads that `__launch_bounds__` allows a block, by kernel; absent where there is none. */
function threadBounds(program, fatbin) {
  const elf = byArchitecture(cuobjdump(program, ['-elf', fatbin]));
  return new Map(
    elf.map(([architecture, text]) => {
      const sections = [...text.matchAll(/^\.nv\.info\.(\S+)$(.*?)(?=^\.\S)/gms)];
      const bounds = sections.map(([, kernel, body]) => [
        kernel,
        Number(body.match(/EIATTR_MAX_THREADS\s+Format:\s+EIFMT_SVAL\s+Value:\s+(0x[0-9a-f]+)/)?.[1]),
      ]);
      return [architecture, new Map(bounds)];
    }),
  );
}

/**
 * @returns `images`, the architectures in order; `ptx`, how many PTX there are; and `kernels`, one entry a kernel and
 *   architecture: registers, stackBytes, localBytes, staticSharedBytes, maxThreads and instructions, a count by opcode.
 */
export function readDeviceCode(program, fatbin) {
  const images = [...cuobjdump(program, ['-lelf', fatbin]).matchAll(/^ELF file.*\.(sm_\w+)\.cubin$/gm)].map(
    ([, a]) => a,
  );
  // With no PTX there, the listing is a failure.
  const ptx = (cuobjdump(program, ['-lelf', '-lptx', fatbin]).match(/^PTX file/gm) ?? []).length;
  const sass = new Map(
    byArchitecture(cuobjdump(program, ['-sass', fatbin])).map(([architecture, text]) => [
      architecture,
      new Map(
        text
          .split(/^\s+Function : /m)
          .slice(1)
          .map((part) => [part.slice(0, part.indexOf('\n')).trim(), countInstructions(part)]),
      ),
    ]),
  );
  const bounds = threadBounds(program, fatbin);
  const kernels = byArchitecture(cuobjdump(program, ['-res-usage', fatbin])).flatMap(([architecture, text]) =>
    [...text.matchAll(/Function (\S+):\s+REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)/g)].map(
      ([, name, ...numbers]) => {
        const [registers, stackBytes, staticSharedBytes, localBytes] = numbers.map(Number);
        return {
          ...{ name, architecture, registers, stackBytes, staticSharedBytes, localBytes },
          maxThreads: bounds.get(architecture)?.get(name),
          instructions: sass.get(architecture)?.get(name) ?? new Map(),
        };
      },
    ),
  );
  return { images, ptx, kernels };
}
