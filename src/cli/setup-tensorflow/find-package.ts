import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { lastLines, runCommand } from '../run-command.js';
import { findProgram } from './find-tools.js';
import { setupError } from './setup-error.js';
import { TFJS_NODE_VERSION } from './wheels.js';

export type PackageName = '@tensorflow/tfjs-node' | '@tensorflow/tfjs-node-gpu';

export interface TfjsPackage {
  name: PackageName;
  /** Its folder under node_modules. */
  directory: string;
  version: string;
}

/** The package as Node would find it from `projectDirectory`, or `undefined`. */
export function findPackage(projectDirectory: string, name: PackageName): TfjsPackage | undefined {
  const require = createRequire(join(resolve(projectDirectory), 'package.json'));
  try {
    const manifest = require.resolve(`${name}/package.json`);
    const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
    return { name, directory: dirname(manifest), version };
  } catch {
    return undefined;
  }
}

/**
 * Sees to it that the project has the package, without running its installer: that one deletes a working libtensorflow
 * and downloads an old one.
 *
 * @throws {CosFaceError} COSFACE_SETUP: no project, no npm, npm failed, or another version is installed.
 */
export async function providePackage(projectDirectory: string, name: PackageName): Promise<TfjsPackage> {
  const installed = findPackage(projectDirectory, name) ?? (await install(projectDirectory, name));
  if (installed.version === TFJS_NODE_VERSION) return installed;
  throw setupError(
    `${name} ${installed.version} is installed in ${installed.directory}; this set-up is made for ` +
      `${TFJS_NODE_VERSION}. Run: npm install --ignore-scripts ${name}@${TFJS_NODE_VERSION}`,
  );
}

async function install(projectDirectory: string, name: PackageName): Promise<TfjsPackage> {
  const command = `npm install --ignore-scripts ${name}@${TFJS_NODE_VERSION}`;
  if (!existsSync(join(projectDirectory, 'package.json'))) {
    // npm would go and change a project further up.
    throw setupError(`${resolve(projectDirectory)} has no package.json, so it is no project. Run: npm init -y`);
  }
  if (!findProgram('npm')) throw setupError(`npm was not found, which is to run: ${command}. Install it.`);
  const args = [...command.split(' ').slice(1), '--no-audit', '--no-fund'];
  const { status, stderr } = await runCommand('npm', args, { cwd: projectDirectory });
  const installed = status === 0 ? findPackage(projectDirectory, name) : undefined;
  if (installed) return installed;
  throw setupError(`\`${command}\` failed in ${resolve(projectDirectory)}:\n${lastLines(stderr, 8)}`);
}
