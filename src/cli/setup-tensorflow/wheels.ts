/** The release of tfjs-node and tfjs-node-gpu that is set up, the newest there is. */
export const TFJS_NODE_VERSION = '4.22.0';

/** The libtensorflow that tfjs-node 4.22.0's own installer looks for under deps/lib before it deletes deps/. */
export const INSTALLER_LIBRARY_VERSION = '2.9.1';

export const DEFAULT_TENSORFLOW_VERSION = '2.21.0';

/** The oldest wheel that brings all of the C API was tried with this glibc; the wheels' platform tag says the same. */
export const LEAST_GLIBC = '2.27';

/** Node architecture to the wheels' name of it. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' };

/**
 * Python versions to ask wheels for, in order. Any will do: the libraries inside do not depend on Python, and neither
 * need it be the version that runs pip.
 */
export const WHEEL_PYTHON_VERSIONS = ['3.11', '3.12', '3.13'] as const;

export interface KnownWheel {
  bytes: number;
  sha256: string;
}

/** The default version's wheels, by file name; from the package index, compared with downloads. */
export const KNOWN_WHEELS: Readonly<Record<string, KnownWheel>> = {
  'tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl': {
    bytes: 273_829_956,
    sha256: '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
  },
  'tensorflow-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl': {
    bytes: 572_440_367,
    sha256: '9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124',
  },
  'tensorflow-2.21.0-cp311-cp311-manylinux_2_27_aarch64.whl': {
    bytes: 281_828_020,
    sha256: '4b24aca16d527a3cf1c37f720c04c484c3d20f4d0fdfa98632ac8b9f3be6eb5c',
  },
};

export interface WheelRequest {
  /** Name on the package index. */
  distribution: 'tensorflow' | 'tensorflow-cpu';
  version: string;
  /** As in 'x86_64'. */
  architecture: string;
}

/** Which wheel serves. For arm64 there is only `tensorflow`, and that has no GPU part. */
export function wheelRequest(version: string, gpu: boolean, arch: string = process.arch): WheelRequest {
  const architecture = ARCHITECTURES[arch] ?? arch;
  const distribution = gpu || architecture !== 'x86_64' ? 'tensorflow' : 'tensorflow-cpu';
  return { distribution, version, architecture };
}

/** The platform tags that pip may take, newest first. */
export function platformTags({ architecture }: WheelRequest): string[] {
  return ['manylinux_2_27', 'manylinux_2_17', 'manylinux2014'].map((tag) => `${tag}_${architecture}`);
}

/** Whether a file's name is that of a wheel for this request; a wheel's name begins `distribution-version-`. */
export function isWheelFor(fileName: string, { distribution, version, architecture }: WheelRequest): boolean {
  const prefix = `${distribution.replaceAll('-', '_')}-${version}-`;
  return fileName.startsWith(prefix) && fileName.endsWith(`_${architecture}.whl`);
}
