import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { lastLines, runCommand } from '../run-command.js';
import { requireDiskSpace } from './disk-space.js';
import type { Python } from './find-tools.js';
import { hashFile } from './hash-file.js';
import type { Progress } from './progress.js';
import { removeFolder, scratchFolder } from './scratch-folder.js';
import { setupError } from './setup-error.js';
import { isWheelFor, KNOWN_WHEELS, platformTags, WHEEL_PYTHON_VERSIONS, type WheelRequest } from './wheels.js';

export interface Wheel {
  path: string;
  sha256: string;
}

export interface DownloadTools {
  python: Python;
  progress: Progress;
}

/** Where downloaded wheels are kept: COSFACE_CACHE, else `cosface` in the user's cache folder. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  return resolve(env['COSFACE_CACHE'] || join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'cosface'));
}

/**
 * A wheel that the user has brought.
 *
 * @throws {CosFaceError} COSFACE_SETUP: there is no such file, or it has the name of a known wheel and other contents.
 */
export async function localWheel(file: string): Promise<Wheel> {
  const path = resolve(file);
  if (!existsSync(path)) throw setupError(`the wheel ${path} does not exist; --wheel names a file.`);
  const sha256 = await hashFile(path);
  const expected = KNOWN_WHEELS[basename(path)]?.sha256;
  if (expected !== undefined && expected !== sha256) throw setupError(wrongHash(path, expected, sha256));
  return { path, sha256 };
}

/**
 * The wheel from the cache, its hash checked, else from the package index by pip, which checks it against the hash
 * that the index states. The known wheels are compared with their own table besides.
 *
 * @throws {CosFaceError} COSFACE_SETUP: no pip, no network, no such wheel, no room, or another hash.
 */
export async function provideWheel(request: WheelRequest, tools: DownloadTools): Promise<Wheel> {
  const cache = cacheFolder();
  mkdirSync(cache, { recursive: true });
  const name = readdirSync(cache).find((file) => isWheelFor(file, request) && existsSync(hashPath(cache, file)));
  if (name !== undefined) {
    const wheel = { path: join(cache, name), sha256: readFileSync(hashPath(cache, name), 'utf8').trim() };
    if ((await hashFile(wheel.path)) === wheel.sha256) return wheel;
    rmSync(wheel.path);
  }
  return download(request, cache, tools);
}

async function download(request: WheelRequest, cache: string, { python, progress }: DownloadTools): Promise<Wheel> {
  const wanted = `${request.distribution}==${request.version}`;
  if (!python.hasPip) {
    throw setupError(
      `${python.path} (Python ${python.version}) has no pip, which is to download ${wanted}. Install it (Debian: apt ` +
        'install python3-pip; elsewhere: python3 -m ensurepip), or download the wheel yourself and name it in --wheel.',
    );
  }
  const known = Object.entries(KNOWN_WHEELS).find(([file]) => isWheelFor(file, request))?.[1];
  // Twice: pip writes to a temporary file and copies that.
  if (known) requireDiskSpace(cache, 2 * known.bytes, `the download of ${wanted}`);
  const scratch = scratchFolder(cache, 'download');
  const watch = setInterval(() => progress.bytes(folderBytes(scratch), known?.bytes), 200);
  try {
    const path = await runPip(request, python, scratch);
    return await keep(path, cache);
  } finally {
    clearInterval(watch);
    removeFolder(scratch);
  }
}

/** Moves a downloaded wheel into the cache: the hash first, so that a wheel with a hash beside it is whole. */
async function keep(path: string, cache: string): Promise<Wheel> {
  const name = basename(path);
  const sha256 = await hashFile(path);
  const expected = KNOWN_WHEELS[name]?.sha256;
  if (expected !== undefined && expected !== sha256) throw setupError(wrongHash(name, expected, sha256));
  const wheel = { path: join(cache, name), sha256 };
  writeFileSync(hashPath(cache, name), `${sha256}\n`);
  renameSync(path, wheel.path);
  return wheel;
}

async function runPip(request: WheelRequest, python: Python, folder: string): Promise<string> {
  let said = '';
  for (const pythonVersion of WHEEL_PYTHON_VERSIONS) {
    const { status, stderr } = await runCommand(python.path, pipArguments(request, pythonVersion, folder), {
      env: { ...process.env, TMPDIR: folder },
    });
    const name = readdirSync(folder).find((file) => file.endsWith('.whl'));
    if (status === 0 && name !== undefined) return join(folder, name);
    said = stderr;
    // Another Python version helps only if the index was reached and had none for this one.
    if (!stderr.includes('No matching distribution found') || /connection|retrying/i.test(stderr)) break;
  }
  const wanted = `${request.distribution}==${request.version}`;
  throw setupError(
    `pip could not download ${wanted} for ${request.architecture}:\n${lastLines(said, 6)}\n` +
      'Check the network and the package index (pip config list); without network, download the wheel elsewhere and ' +
      'name it in --wheel. Other versions: --tensorflow-version, 2.12.1 or later.',
  );
}

function pipArguments(request: WheelRequest, pythonVersion: string, folder: string): string[] {
  const { distribution, version } = request;
  return [
    ...['-m', 'pip', 'download', '--quiet', '--no-input', '--disable-pip-version-check', '--no-cache-dir'],
    ...['--retries', '2', '--no-deps', '--only-binary=:all:', '--implementation', 'cp'],
    ...['--python-version', pythonVersion],
    ...platformTags(request).flatMap((tag) => ['--platform', tag]),
    ...['--dest', folder, `${distribution}==${version}`],
  ];
}

function hashPath(cache: string, name: string): string {
  return join(cache, `${name}.sha256`);
}

function wrongHash(path: string, expected: string, came: string): string {
  return `${path} has SHA-256 ${came}, expected ${expected}: it is damaged or not what its name says. Download it again.`;
}

/** What pip has written so far; files may vanish while this looks. */
function folderBytes(folder: string): number {
  const sizes = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((path) => {
    const stat = statSync(join(folder, path), { throwIfNoEntry: false });
    return stat?.isFile() ? stat.size : 0;
  });
  return Math.max(0, ...sizes);
}
