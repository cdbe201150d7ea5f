import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root: string = fileURLToPath(new URL('../..', import.meta.url));
export const cli: string = `${root}dist/cli/main.js`;

export interface CliOutcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the built command line; variables given as '' are unset. */
export function runCli(args: string[], env: Record<string, string> = {}): CliOutcome {
  if (!existsSync(cli)) throw new Error('dist/ is missing: run npm run build');
  const inherited = Object.entries(process.env).filter(([name]) => !/^(COSFACE_|VITEST|PIP_)/.test(name));
  const entries = [...inherited, ...Object.entries(env)].filter(([name, value]) => value !== '' || name === 'PATH');
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], {
    cwd: root,
    encoding: 'utf8',
    env: Object.fromEntries(entries),
    timeout: 250_000,
  });
  return { status, stdout, stderr };
}

/** A new folder with a package.json; the caller removes it. */
export function temporaryProject(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cosface-cli-'));
  writeFileSync(join(folder, 'package.json'), '{ "name": "project", "private": true }\n');
  return folder;
}

/** Puts a tfjs-node as npm leaves it, without its native parts, into a project; returns its folder. */
export function addBarePackage(project: string, version = '4.22.0'): string {
  const folder = join(project, 'node_modules', '@tensorflow', 'tfjs-node');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: '@tensorflow/tfjs-node', version }));
  return folder;
}
