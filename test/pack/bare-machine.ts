import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from '../native/built-package.js';

/** What `npm run prebuild` leaves. */
export const tarballFolder: string = join(root, 'build-prebuild', 'tarballs');

export function tarballs(): string[] {
  return existsSync(tarballFolder) ? readdirSync(tarballFolder).filter((name) => name.endsWith('.tgz')) : [];
}

const REGISTRY = 'https://registry.npmjs.org/';
const asked = spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8', cwd: tmpdir() });
/** Whatever npm is set up to use here. */
const upstream: string = asked.status === 0 ? asked.stdout.trim() : REGISTRY;

/** What it depends on names a tag that not every registry keeps. */
const VERDACCIO = { private: true, dependencies: { verdaccio: '6.10.4' }, overrides: { 'node-fetch': '2.7.0' } };

/** Installs what a manifest names into a folder of build-prebuild, once; returns its node_modules. */
function install(name: string, manifest: object, args: readonly string[] = []): string {
  const folder = join(root, 'build-prebuild', name);
  if (!existsSync(join(folder, 'node_modules'))) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
    execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...args], {
      cwd: folder,
      stdio: 'pipe',
    });
  }
  return join(folder, 'node_modules');
}

/** The folder of a Node from its npm package. */
export function fetchNode(version: string, arch: 'x64' | 'arm64' = 'x64'): string {
  const name = `node-linux-${arch}`;
  // npm refuses a package for another processor.
  const modules = install(`${name}-${version}`, { private: true, dependencies: { [name]: version } }, ['--force']);
  return join(modules, name, 'bin');
}

export interface Registry {
  url: string;
  stop(): void;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A registry of our own that has the tarballs and hands everything else through, as the public one would after a release. */
export async function startRegistry(): Promise<Registry> {
  const folder = mkdtempSync(join(tmpdir(), 'cosface-registry-'));
  const own = ['cosface', '@cosface/*']
    .map((name) => `  '${name}':\n    access: $all\n    publish: $anonymous\n`)
    .join('');
  writeFileSync(
    join(folder, 'config.yaml'),
    `storage: ${folder}/storage\nuplinks:\n  upstream:\n    url: ${upstream}\n    maxage: 1h\n` +
      `packages:\n${own}  '**':\n    access: $all\n    proxy: upstream\nmax_body_size: 100mb\nlog: { type: stdout, level: error }\n`,
  );
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  const program = join(install('verdaccio', VERDACCIO), 'verdaccio', 'bin', 'verdaccio');
  const args = [program, '--config', join(folder, 'config.yaml'), '--listen', `127.0.0.1:${port}`];
  // It wants a newer Node than this package does.
  const child = spawn(join(fetchNode('24'), 'node'), args, { cwd: folder, stdio: 'ignore' });
  const stop = () => void child.kill();
  for (let tries = 0; ; tries++) {
    if (
      await fetch(url).then(
        () => true,
        () => false,
      )
    )
      break;
    if (tries === 600) {
      stop();
      throw new Error('verdaccio did not start within a minute');
    }
    await sleep(100);
  }
  publish(url, folder);
  return { url, stop };
}

function publish(url: string, folder: string): void {
  const rc = join(folder, '.npmrc');
  writeFileSync(rc, `registry=${url}\n//${new URL(url).host}/:_authToken=none\n`);
  const args = ['publish', '--userconfig', rc, '--access', 'public', '--ignore-scripts'];
  for (const what of [...tarballs().map((name) => join(tarballFolder, name)), ...standIns(folder)])
    execFileSync('npm', [...args, what], { cwd: folder, stdio: 'pipe' });
}

/** For platform packages that only another system can cut: manifests alone, so that npm has them to leave out. */
function standIns(folder: string): string[] {
  return readdirSync(join(root, 'packages'))
    .filter((name) => !tarballs().some((file) => file.startsWith(`cosface-${name}-`)))
    .map((name) => {
      const standIn = join(folder, name);
      mkdirSync(standIn);
      copyFileSync(join(root, 'packages', name, 'package.json'), join(standIn, 'package.json'));
      return standIn;
    });
}

export interface Ran {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** A machine with a Node, npm and a shell, and nothing else: no compiler, no make, no Python. */
export class BareMachine {
  readonly home: string = mkdtempSync(join(tmpdir(), 'cosface-bare-'));
  readonly #bin: string;
  readonly #registry: string;

  /** @param node - the folder of the Node to use; left out: this one. */
  constructor(registry: string, node: string = dirname(process.execPath)) {
    this.#registry = registry;
    this.#bin = join(this.home, 'bin');
    mkdirSync(this.#bin);
    symlinkSync(join(node, 'node'), join(this.#bin, 'node'));
    const npm = execFileSync('sh', ['-c', 'readlink -f "$(command -v npm)"'], { encoding: 'utf8' }).trim();
    symlinkSync(npm, join(this.#bin, 'npm'));
    symlinkSync(join(dirname(npm), 'npx-cli.js'), join(this.#bin, 'npx'));
    for (const name of ['sh', 'env']) symlinkSync(`/usr/bin/${name}`, join(this.#bin, name));
  }

  /** A folder below the machine's home. */
  folder(name: string): string {
    const folder = join(this.home, name);
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  run(cwd: string, program: string, args: readonly string[], env: Record<string, string> = {}): Ran {
    const { status, stdout, stderr } = spawnSync(join(this.#bin, program), args, {
      cwd,
      encoding: 'utf8',
      env: {
        HOME: this.home,
        PATH: this.#bin,
        npm_config_registry: this.#registry,
        npm_config_update_notifier: 'false',
        ...env,
      },
    });
    return { status, stdout, stderr };
  }
}
