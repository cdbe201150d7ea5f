import { cpSync, existsSync, mkdirSync, readdirSync, realpathSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { runCommand } from '../run-command.js';
import type { Python } from './find-tools.js';
import { removeFolder, scratchFolder } from './scratch-folder.js';
import { setupError } from './setup-error.js';
import { sizeOf, writeRecord } from './setup-record.js';

const SOURCES = ['binding', 'binding.gyp', 'package.json'];

/** The folder that the binding of a tfjs-node package is in, as Node-API version 8 of any Node. */
export function bindingFolder(packageDirectory: string): string {
  return join(packageDirectory, 'lib', 'napi-v8');
}

export interface BindingBuild {
  packageDirectory: string;
  python: Python;
  wheelSha256: string;
}

/**
 * Builds tfjs-node's binding from its source, against deps/, with tfjs-node's own node-pre-gyp, in a folder beside;
 * a finished binding is renamed into place.
 *
 * @throws {CosFaceError} COSFACE_SETUP: the build failed; the end of what it printed, and where all of it is.
 */
export async function buildBinding({ packageDirectory, python, wheelSha256 }: BindingBuild): Promise<void> {
  const log = join(packageDirectory, 'cosface-build.log');
  rmSync(log, { force: true });
  const scratch = scratchFolder(packageDirectory, 'cosface-build');
  try {
    for (const source of SOURCES) cpSync(join(packageDirectory, source), join(scratch, source), { recursive: true });
    // binding.gyp looks for deps/ beside itself; lib/napi-v8 is as deep as in the package, so $ORIGIN/../../deps holds.
    symlinkSync(join(packageDirectory, 'deps'), join(scratch, 'deps'));
    await runNodePreGyp(packageDirectory, { scratch, python, log });
    const built = bindingFolder(scratch);
    writeRecord(built, { wheelSha256, bytes: sizeOf(join(built, 'tfjs_binding.node')) ?? 0 });
    const place = bindingFolder(packageDirectory);
    mkdirSync(dirname(place), { recursive: true });
    removeFolder(place);
    renameSync(built, place);
    rmSync(log, { force: true });
  } finally {
    removeFolder(scratch);
  }
}

async function runNodePreGyp(
  packageDirectory: string,
  { scratch, python, log }: { scratch: string; python: Python; log: string },
): Promise<void> {
  const require = createRequire(join(packageDirectory, 'package.json'));
  const nodePreGyp = join(dirname(require.resolve('@mapbox/node-pre-gyp/package.json')), 'bin', 'node-pre-gyp');
  const headers = localHeaders();
  const args = [nodePreGyp, 'install', '--build-from-source', ...(headers ? [`--nodedir=${headers}`] : [])];
  const nodeGyp = resolveNodeGyp();
  const env = {
    ...process.env,
    // tfjs-node's sources and TensorFlow's headers warn a lot, at things that are theirs to mend.
    CXXFLAGS: `${process.env['CXXFLAGS'] ?? ''} -w`.trim(),
    PYTHON: python.path,
    ...(nodeGyp ? { npm_config_node_gyp: nodeGyp } : {}),
  };
  const { status, stdout, stderr } = await runCommand(process.execPath, args, { cwd: scratch, env, log });
  const built = bindingFolder(scratch);
  if (status === 0 && existsSync(built) && readdirSync(built).includes('tfjs_binding.node')) return;
  const hint = headers ? '' : '\nNo Node headers were found beside node, so node-gyp tried to download them.';
  throw setupError(`tfjs-node's binding could not be built:\n${errorsIn(stdout + stderr)}${hint}\nAll of it: ${log}`);
}

/** The prefix whose include/node has Node's headers, as a distribution or the official archive puts them. */
function localHeaders(): string | undefined {
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? prefix : undefined;
}

/** node-gyp from cosface's surroundings; without it, node-pre-gyp looks for npm's. */
function resolveNodeGyp(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  } catch {
    return undefined;
  }
}

/** The first lines of a build that say what failed: the compiler's or linker's, else node-gyp's own. */
function errorsIn(output: string): string {
  const lines = output.split('\n');
  const tools = lines.filter(
    (line) => /error:|undefined reference|cannot find|not found/i.test(line) && !/ERR!/.test(line),
  );
  const said = tools.length > 0 ? tools : lines.filter((line) => /gyp ERR! (stack|not ok)|ERR!.*Error/.test(line));
  return said.slice(0, 8).join('\n');
}
