import { familySync, MUSL } from 'detect-libc';

/** The system that a binary must be for. */
export interface System {
  platform: string;
  arch: string;
  /** Whose C library is musl. */
  musl: boolean;
}

export function currentSystem(): System {
  const { platform, arch } = process;
  return { platform, arch, musl: platform === 'linux' && familySync() === MUSL };
}

const ADDONS: Readonly<Record<string, string>> = {
  'linux-x64': '@cosface/linux-x64-gnu',
  'linux-x64-musl': '@cosface/linux-x64-musl',
  'linux-arm64': '@cosface/linux-arm64-gnu',
  'darwin-arm64': '@cosface/darwin-arm64',
  'win32-x64': '@cosface/win32-x64',
};

const CUDA_LIBRARIES: Readonly<Record<string, string>> = { 'linux-x64': '@cosface/linux-x64-cuda' };

const keyOf = ({ platform, arch, musl }: System) => `${platform}-${arch}${musl ? '-musl' : ''}`;

/** The npm package that holds the addon for a system; `undefined` where none is made. */
export function addonPackage(system: System): string | undefined {
  return ADDONS[keyOf(system)];
}

/** The npm package that holds the CUDA library for a system; `undefined` where none is made. */
export function cudaPackage(system: System): string | undefined {
  return CUDA_LIBRARIES[keyOf(system)];
}
