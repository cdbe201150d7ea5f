// The tarballs of all packages that are whole, as they would be published: build-prebuild/tarballs.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, StepError } from './steps.mjs';

export const TARBALLS = 'build-prebuild/tarballs';
const STAGE = 'build-prebuild/stage';

const manifestOf = (folder) => JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));

/** Those whose binary is there. */
function wholePackages() {
  return readdirSync(join(root, 'packages'))
    .map((name) => `packages/${name}`)
    .filter((folder) => existsSync(join(root, folder, 'package.json')))
    .filter((folder) => manifestOf(folder).files.every((file) => existsSync(join(root, folder, file))));
}

function pack(folder) {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', join(root, TARBALLS)];
  const { status, stdout, stderr } = spawnSync('npm', args, {
    cwd: join(root, folder),
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (status !== 0) throw new StepError(`npm pack in ${folder} failed: ${stderr}`);
  const [{ filename, size }] = JSON.parse(stdout);
  return { filename, size };
}

/**
 * The main package as it is published: with its platform packages as optional dependencies of just its version, and
 * without what only a clone has. In package.json itself they would have every `npm ci` of a clone ask the registry for
 * versions that are not published yet.
 */
function stageMain() {
  const { devDependencies, scripts, ...manifest } = manifestOf('.');
  const names = readdirSync(join(root, 'packages')).map((name) => manifestOf(`packages/${name}`).name);
  manifest.optionalDependencies = Object.fromEntries(names.sort().map((name) => [name, manifest.version]));
  rmSync(join(root, STAGE), { recursive: true, force: true });
  mkdirSync(join(root, STAGE), { recursive: true });
  for (const entry of [...manifest.files.filter((name) => !name.startsWith('!')), 'README.md', 'LICENSE'])
    cpSync(join(root, entry), join(root, STAGE, entry), { recursive: true });
  writeFileSync(join(root, STAGE, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return STAGE;
}

export function packTarballs() {
  rmSync(join(root, TARBALLS), { recursive: true, force: true });
  mkdirSync(join(root, TARBALLS), { recursive: true });
  const packed = [stageMain(), ...wholePackages()].map(pack);
  return packed.map(({ filename, size }) => `${filename} ${(size / 1e6).toFixed(2)} MB`).join(', ');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.log(packTarballs());
