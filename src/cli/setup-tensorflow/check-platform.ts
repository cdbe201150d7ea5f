import { setupError } from './setup-error.js';
import { LEAST_GLIBC } from './wheels.js';

export interface Platform {
  platform: string;
  arch: string;
  /** Version of glibc; `undefined` with another C library. */
  glibc: string | undefined;
}

export function currentPlatform(): Platform {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return { platform: process.platform, arch: process.arch, glibc: report?.header?.glibcVersionRuntime };
}

/** @throws {CosFaceError} COSFACE_SETUP unless this is Linux on x64 or arm64 with a glibc that the wheels accept. */
export function checkPlatform({ platform, arch, glibc }: Platform): void {
  const here = `${platform}-${arch}${platform === 'linux' && glibc === undefined ? ' without glibc' : ''}`;
  if (platform !== 'linux' || !['x64', 'arm64'].includes(arch) || glibc === undefined) {
    throw setupError(
      `this system is ${here}; only linux-x64 and linux-arm64 with glibc are supported, because only there do the ` +
        'TensorFlow wheels carry the C library. Without this set-up the loss runs on the cpu and wasm backends, and ' +
        "on tfjs-node's own TensorFlow where `npm install @tensorflow/tfjs-node` works.",
    );
  }
  if (!isAtLeast(glibc, LEAST_GLIBC)) {
    throw setupError(`glibc is ${glibc}; the TensorFlow wheels need ${LEAST_GLIBC} or later. Use a newer system.`);
  }
}

function isAtLeast(version: string, least: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor = 0, leastMinor = 0] = least.split('.').map(Number);
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}
