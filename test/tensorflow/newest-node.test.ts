import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { resultOf, root, runProgram } from './run-program.js';
import { describeTensorflow } from './tfjs-node.js';

const FOLDER = `${root}build-test/newest-node`;
const PACKAGE = `node-linux-${process.arch}`;
const node = `${FOLDER}/node_modules/${PACKAGE}/bin/node`;

describeTensorflow('on the newest Node, which lacks util.isNullOrUndefined', () => {
  beforeAll(() => {
    mkdirSync(FOLDER, { recursive: true });
    const install = ['install', '--prefix', FOLDER, '--no-audit', '--no-fund', '--no-save', `${PACKAGE}@latest`];
    if (!existsSync(node)) execFileSync('npm', install, { stdio: 'pipe' });
  });

  test('it is one that this is about', () => {
    const version = execFileSync(node, ['-p', 'process.versions.node + typeof util.isNullOrUndefined'], {
      encoding: 'utf8',
    });
    expect(Number.parseInt(version, 10)).toBeGreaterThanOrEqual(23);
    expect(version).toMatch(/undefined$/m);
  });

  test('without cosface/tfjs-node-compat: an error that explains it', () => {
    const { status, stderr } = runProgram('loss', [], { node });
    expect(status).toBe(1);
    expect(stderr).toContain('COSFACE_TENSORFLOW: @tensorflow/tfjs-node 4.22 does not work on Node');
    expect(stderr).toContain('--import cosface/tfjs-node-compat');
  });

  test('with it: loss and gradients on the backend tensorflow', () => {
    const program = runProgram('loss', [], { node, nodeArgs: ['--import', 'cosface/tfjs-node-compat'] });
    const { backend, loss } = resultOf<{ backend: string; loss: number }>(program);
    expect(backend).toBe('tensorflow');
    expect(loss).toBeGreaterThan(0);
  });
});
