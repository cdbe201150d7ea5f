import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import type { NativeAddon } from './addon.js';
import { backendChoice } from './backend-choice.js';
import { CosFaceError } from './errors.js';
import { withCosFaceErrors } from './native-errors.js';
import { findPackageRoot, type PackageRoot } from './package-root.js';
import { addonPackage, cudaPackage, currentSystem, type System } from './platform-package.js';

/** COSFACE_ABI_VERSION that this TypeScript was written for. */
const ABI_VERSION = 4;

/** Everything that choosing a binary depends on. */
export interface LoadHost {
  env: Readonly<Record<string, string | undefined>>;
  packageRoot: PackageRoot | undefined;
  system: System;
  /** Opens a binary, or throws what Node's require throws. */
  open(path: string): unknown;
  /** The path of a module that is installed, or throws what Node's require.resolve throws. */
  resolve(module: string): string;
}

/** A place where no binary could be loaded, and why. */
export interface FailedStep {
  /** The environment variable, the path within the package, or the platform package. */
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
 * Tries COSFACE_BINARY alone where it is set, else what was built here, build/Release/cosface.node (node-gyp) and
 * build-cmake/Release/cosface.node (cmake-js), then the package that npm has installed for this system.
 */
export function tryBinaries(host: LoadHost): LoadOutcome {
  const failed: FailedStep[] = [];
  for (const { step, path, find = () => path } of candidates(host)) {
    try {
      const found = find();
      return { binary: { addon: openAddon(host, found), path: found }, failed };
    } catch (error) {
      failed.push({ step, path, ...causeOf(error) });
    }
  }
  return { binary: undefined, failed };
}

interface Candidate {
  step: string;
  path: string;
  /** Where the path must be found out first. */
  find?: () => string;
}

function candidates(host: LoadHost): Candidate[] {
  const { env, packageRoot, system } = host;
  const override = env['COSFACE_BINARY'];
  if (override) return [{ step: 'COSFACE_BINARY', path: resolve(override) }];
  const builds = packageRoot ? ['build/Release/cosface.node', 'build-cmake/Release/cosface.node'] : [];
  const name = addonPackage(system);
  return [
    ...builds.map((step) => ({ step, path: join((packageRoot as PackageRoot).directory, step) })),
    ...(name === undefined ? [] : [{ step: name, path: name, find: () => installedFile(host, name) }]),
  ];
}

/** The binary of a platform package, which must be of the same version: they are made together. */
function installedFile(host: LoadHost, name: string): string {
  const file = host.resolve(name);
  const { version } = JSON.parse(readFileSync(host.resolve(`${name}/package.json`), 'utf8')) as { version: string };
  const expected = host.packageRoot?.version ?? version;
  if (version === expected) return file;
  throw Object.assign(new Error(`is of version ${version}, expected ${expected}; install cosface again`), {
    code: 'COSFACE_VERSION',
  });
}

/** The addon looks for the CUDA library beside itself, where it is put by a build; npm puts it into a package of its own. */
function offerCudaLibrary(host: LoadHost, addon: NativeAddon): void {
  const name = cudaPackage(host.system);
  if (name === undefined) return;
  try {
    addon.offerCudaLibrary(installedFile(host, name));
  } catch {
    // There is none, or not of this version: the addon tells why there is no GPU.
  }
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
  const tried = failed.map(
    ({ step, path, code, message }) => `  tried ${step}${path === step ? '' : ` (${path})`}: ${code}: ${message}`,
  );
  if (!host.packageRoot && !host.env['COSFACE_BINARY'])
    tried.push('  the package folder of cosface was not found: keep cosface out of the bundle, or set COSFACE_BINARY');
  return new CosFaceError(
    'COSFACE_NO_BINARY',
    [
      `no native binary could be loaded for ${process.platform}-${process.arch} (node ${process.versions.node}, ` +
        `cosface ${version}).`,
      ...tried,
      remedyOf(host),
    ].join('\n'),
    { argument: host.env['COSFACE_BINARY'] ? 'COSFACE_BINARY' : undefined },
  );
}

function remedyOf({ env, system }: LoadHost): string {
  if (env['COSFACE_BINARY']) return '  Fix: let COSFACE_BINARY name a cosface.node built for this system, or unset it.';
  const build = 'npm run build in a clone of the repository, npx cosface build in a project that has cosface installed';
  const name = addonPackage(system);
  if (name === undefined) return `  Fix: no package is made for this system; ${build}.`;
  // npm leaves optional dependencies out of a lockfile that another system has written, and with --omit=optional.
  return `  Fix: npm install --include=optional, without the node_modules and lockfile of another system, brings ${name}; or ${build}.`;
}

/** The host of this process. */
export function currentHost(): LoadHost {
  const require = createRequire(import.meta.url);
  return {
    env: process.env,
    packageRoot: findPackageRoot(),
    system: currentSystem(),
    open: (path) => require(path),
    resolve: (module) => require.resolve(module),
  };
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
  offerCudaLibrary(host, binary.addon);
  loaded = binary;
  return binary;
}

/** The native functions; loadBinary() says when it throws. */
export function loadAddon(): NativeAddon {
  return loadBinary().addon;
}
