import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import type { NativeAddon } from './addon.js';
import { backendChoice } from './backend-choice.js';
import { CosFaceError } from './errors.js';
import { withCosFaceErrors } from './native-errors.js';
import { findPackageRoot, type PackageRoot } from './package-root.js';

/** COSFACE_ABI_VERSION that this TypeScript was written for. */
const ABI_VERSION = 4;

/** Everything that choosing a binary depends on. */
export interface LoadHost {
  env: Readonly<Record<string, string | undefined>>;
  packageRoot: PackageRoot | undefined;
  /** Opens a binary, or throws what Node's require throws. */
  open(path: string): unknown;
}

/** A place where no binary could be loaded, and why. */
export interface FailedStep {
  /** The environment variable, or the path within the package. */
  step: string;
  path: string;
  code: string;
  message: string;
}

export interface LoadOutcome {
  binary: { addon: NativeAddon; path: string } | undefined;
  failed: FailedStep[];
}

/**
 * Tries COSFACE_BINARY alone where it is set, else build/Release/cosface.node (node-gyp), then
 * build-cmake/Release/cosface.node (cmake-js).
 */
export function tryBinaries(host: LoadHost): LoadOutcome {
  const failed: FailedStep[] = [];
  for (const { step, path } of candidates(host)) {
    try {
      return { binary: { addon: openAddon(host, path), path }, failed };
    } catch (error) {
      failed.push({ step, path, ...causeOf(error) });
    }
  }
  return { binary: undefined, failed };
}

function candidates({ env, packageRoot }: LoadHost): { step: string; path: string }[] {
  const override = env['COSFACE_BINARY'];
  if (override) return [{ step: 'COSFACE_BINARY', path: resolve(override) }];
  if (!packageRoot) return [];
  return ['build/Release/cosface.node', 'build-cmake/Release/cosface.node'].map((step) => ({
    step,
    path: join(packageRoot.directory, step),
  }));
}

function openAddon(host: LoadHost, path: string): NativeAddon {
  const raw = host.open(path) as NativeAddon | undefined;
  if (raw?.abiVersion === ABI_VERSION) return withCosFaceErrors(raw);
  throw Object.assign(new Error(`has ABI version ${raw?.abiVersion}, expected ${ABI_VERSION}; build it again`), {
    code: 'COSFACE_ABI',
  });
}

function causeOf(error: unknown): { code: string; message: string } {
  const { code, message } = error as { code?: string; message?: string };
  // Below the first line Node lists the files that required this one.
  return { code: code ?? 'ERROR', message: (message ?? String(error)).split('\n')[0] as string };
}

/** The words of COSFACE_NO_BINARY: every step that was tried and why it failed, then the remedy. */
export function noBinaryError(host: LoadHost, failed: readonly FailedStep[]): CosFaceError {
  const version = host.packageRoot?.version ?? 'bundled';
  const tried = failed.map(({ step, path, code, message }) => `  tried ${step} (${path}): ${code}: ${message}`);
  if (!host.packageRoot && failed.length === 0)
    tried.push('  the package folder of cosface was not found: keep cosface out of the bundle, or set COSFACE_BINARY');
  const remedy = host.env['COSFACE_BINARY']
    ? '  Fix: let COSFACE_BINARY name a cosface.node built for this system, or unset it.'
    : '  Fix: npm run build in a clone of the repository, npx cosface build in a project that has cosface installed.';
  return new CosFaceError(
    'COSFACE_NO_BINARY',
    [
      `no native binary could be loaded for ${process.platform}-${process.arch} (node ${process.versions.node}, ` +
        `cosface ${version}).`,
      ...tried,
      remedy,
    ].join('\n'),
    { argument: host.env['COSFACE_BINARY'] ? 'COSFACE_BINARY' : undefined },
  );
}

/** The host of this process. */
export function currentHost(): LoadHost {
  const require = createRequire(import.meta.url);
  return { env: process.env, packageRoot: findPackageRoot(), open: (path) => require(path) };
}

let loaded: LoadOutcome['binary'];

/**
 * The native binary, loaded at the first call and kept.
 *
 * @throws {CosFaceError} COSFACE_NO_BINARY, which lists every place tried; also with COSFACE_BACKEND=js, which forbids
 * the binary. COSFACE_ENVIRONMENT for another value of COSFACE_BACKEND.
 */
export function loadBinary(): NonNullable<LoadOutcome['binary']> {
  if (backendChoice() === 'js')
    throw new CosFaceError(
      'COSFACE_NO_BINARY',
      'the environment variable COSFACE_BACKEND is js, which forbids the native binary. Unset it.',
      {
        argument: 'COSFACE_BACKEND',
      },
    );
  if (loaded) return loaded;
  const host = currentHost();
  const { binary, failed } = tryBinaries(host);
  if (!binary) throw noBinaryError(host, failed);
  loaded = binary;
  return binary;
}

/** The native functions; loadBinary() says when it throws. */
export function loadAddon(): NativeAddon {
  return loadBinary().addon;
}
