import { join, resolve } from 'node:path';
import { bindingFolder, buildBinding } from './build-binding.js';
import { checkPlatform, currentPlatform } from './check-platform.js';
import { findPackage, type PackageName, providePackage, type TfjsPackage } from './find-package.js';
import { checkBuildTools, findPython, type Python } from './find-tools.js';
import { probeTensorflow, type TensorflowProbe } from './probe-tensorflow.js';
import type { Progress } from './progress.js';
import { provideLibraries } from './provide-libraries.js';
import { localWheel, provideWheel, type Wheel } from './provide-wheel.js';
import { setupError } from './setup-error.js';
import { type LibraryRecord, readBindingRecord, readLibraryRecord } from './setup-record.js';
import { TFJS_NODE_VERSION, wheelRequest } from './wheels.js';

export interface SetupOptions {
  /** The project whose node_modules gets the package. */
  projectDirectory: string;
  gpu: boolean;
  tensorflowVersion: string;
  /** A wheel file to use instead of a download. */
  wheel?: string | undefined;
  /** Do every stage again. */
  force: boolean;
  progress: Progress;
}

export interface SetupResult extends TensorflowProbe {
  package: PackageName;
  directory: string;
  /** Nothing had to be done. */
  wasReady: boolean;
}

/**
 * Makes a working tfjs-node or tfjs-node-gpu from the TensorFlow wheel.
 *
 * Each stage leaves a record when its result is in place, and a result gets there by one rename; so a run that was
 * killed is continued by the next one, from the stage it was in.
 *
 * @throws {CosFaceError} COSFACE_SETUP: what is missing or failed, and what to do.
 */
export async function setUpTensorflow(options: SetupOptions): Promise<SetupResult> {
  const { projectDirectory, gpu, force } = options;
  checkPlatform(currentPlatform());
  const name: PackageName = gpu ? '@tensorflow/tfjs-node-gpu' : '@tensorflow/tfjs-node';
  const installed = findPackage(projectDirectory, name);
  if (!force && installed?.version === TFJS_NODE_VERSION && (await finishedStages(options, installed)).binding) {
    return verify(installed, true);
  }
  const python = await findPython();
  checkBuildTools();
  options.progress.stage(`Package: ${name} ${TFJS_NODE_VERSION}`);
  const found = await providePackage(projectDirectory, name);
  await runStages(options, found, python);
  options.progress.stage('Check: a matrix product in a process of its own');
  const result = await verify(found, false);
  options.progress.end();
  return result;
}

async function runStages(options: SetupOptions, { directory }: TfjsPackage, python: Python): Promise<void> {
  const { gpu, tensorflowVersion: tensorflow, force, progress } = options;
  let { libraries } = await finishedStages(options, { directory });
  if (force || !libraries) {
    progress.stage(`Download: TensorFlow ${tensorflow}`);
    const wheel = options.wheel
      ? await localWheel(options.wheel)
      : await provideWheel(wheelRequest(tensorflow, gpu), { python, progress });
    progress.stage('Extract: libraries and headers');
    libraries = await provideLibraries(directory, wheel, { tensorflow: versionOf(wheel), gpu, progress });
  }
  progress.stage("Build: tfjs-node's binding");
  await buildBinding({ packageDirectory: directory, python, wheelSha256: libraries.wheelSha256 });
}

/** The stages whose results are in place and are what these options ask for. */
async function finishedStages(
  options: SetupOptions,
  { directory }: Pick<TfjsPackage, 'directory'>,
): Promise<{ libraries?: LibraryRecord; binding?: boolean }> {
  const libraries = readLibraryRecord(join(directory, 'deps'));
  if (!libraries) return {};
  const asked = options.wheel
    ? (await localWheel(options.wheel)).sha256 === libraries.wheelSha256
    : libraries.tensorflow === options.tensorflowVersion && libraries.gpu === options.gpu;
  if (!asked) return {};
  const binding = readBindingRecord(bindingFolder(directory));
  return { libraries, binding: binding?.wheelSha256 === libraries.wheelSha256 };
}

/** A wheel's file name is `name-version-python-abi-platform.whl`. */
function versionOf({ path }: Wheel): string {
  return /-(\d[^-]*)-[^/]*\.whl$/.exec(path)?.[1] ?? 'unknown';
}

async function verify(found: TfjsPackage, wasReady: boolean): Promise<SetupResult> {
  const probe = await probeTensorflow(found.directory);
  if (!('error' in probe)) return { ...probe, package: found.name, directory: resolve(found.directory), wasReady };
  throw setupError(
    `${found.name} in ${found.directory} is set up but does not work:\n${probe.error}\n` +
      'Run again with --force to do every stage anew.',
  );
}
