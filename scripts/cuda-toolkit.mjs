// Finds a CUDA compiler: one that is installed, or the one that setup-cuda.mjs has brought.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { root } from './steps.mjs';

/** Where setup-cuda.mjs puts a toolkit, and native/cuda/image.cmake looks for one. */
export const BROUGHT_TOOLKIT = 'build-tools/cuda';
/** The device compiler of another major version, as a second opinion. */
export const BROUGHT_NVRTC = 'build-tools/nvrtc';
export const BROUGHT_SANITIZER = 'build-tools/compute-sanitizer';
/** Headers of CuTe, which knows the fragments of NVIDIA's instructions. */
export const BROUGHT_CUTE = 'build-tools/cute';
export const NVRTC_VERSION = '12.9';
/** As in native/cuda/image.cmake. */
export const OLDEST_CUDA = '12.4';

/** "13.0" as a number that sorts: 13000, as cuDriverGetVersion counts. */
export function versionNumber(version) {
  const [major, minor] = version.split('.').map(Number);
  return 1000 * major + 10 * minor;
}

/** Architectures that a toolkit makes images for; native/cuda/image.cmake decides. */
export function architecturesOf({ version }) {
  const blackwell = versionNumber(version) >= versionNumber('12.8') ? ['sm_100', 'sm_120'] : [];
  return ['sm_80', 'sm_90', ...blackwell];
}

/** Places that may hold a toolkit, the user's own word first; the order is image.cmake's too. */
function candidates() {
  const named = [process.env.CUDA_HOME, process.env.CUDA_PATH].filter(Boolean);
  const usual = [join(root, BROUGHT_TOOLKIT), '/usr/local/cuda'];
  const onPath = (process.env.PATH ?? '').split(delimiter).map((bin) => ({ folder: dirname(bin), bin }));
  const inFolders = (folders) => folders.map((folder) => ({ folder, bin: join(folder, 'bin') }));
  return [...inFolders(named), ...onPath, ...inFolders(usual)].filter(({ bin }) => existsSync(join(bin, 'nvcc')));
}

function versionOf(nvcc) {
  const { status, stdout } = spawnSync(nvcc, ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.match(/release (\d+\.\d+)/)?.[1] : undefined;
}

/** The toolkit in one folder, or words why it does not serve. */
export function toolkitIn({ folder, bin = join(folder, 'bin') }) {
  const nvcc = join(bin, 'nvcc');
  if (!existsSync(nvcc)) return { fault: `${nvcc} is not there` };
  const version = versionOf(nvcc);
  if (!version) return { fault: `${nvcc} --version tells no version` };
  if (versionNumber(version) < versionNumber(OLDEST_CUDA))
    return { fault: `${nvcc} is of CUDA ${version}, wanted ${OLDEST_CUDA} or later` };
  const programs = Object.fromEntries(['cuobjdump', 'nvdisasm', 'fatbinary'].map((name) => [name, join(bin, name)]));
  const missing = Object.entries(programs).filter(([, path]) => !existsSync(path));
  if (missing.length > 0) return { fault: `${missing.map(([, path]) => path).join(', ')} not there` };
  return { toolkit: { folder, nvcc, version, ...programs } };
}

/**
 * A toolkit of OLDEST_CUDA or later.
 *
 * @returns `{ toolkit, faults }`: where there is no `toolkit`, `faults` tells what was found and why it does not serve.
 */
export function findToolkit() {
  const faults = [];
  for (const candidate of candidates()) {
    const { toolkit, fault } = toolkitIn(candidate);
    if (toolkit) return { toolkit, faults };
    faults.push(fault);
  }
  return { faults };
}
