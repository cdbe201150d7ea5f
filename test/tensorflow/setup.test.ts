import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Diagnosis } from '../../src/cli/doctor/diagnose.js';
import type { SetupResult } from '../../src/cli/setup-tensorflow/setup.js';
import { root } from './run-program.js';
import { describeTensorflow } from './tfjs-node.js';

/** Outside the repository, whose own node_modules would be found from within. */
const project = mkdtempSync(join(tmpdir(), 'cosface-setup-'));
const packageFolder = join(project, 'node_modules', '@tensorflow', 'tfjs-node');
const args = ['dist/cli/main.js', 'setup-tensorflow', '--dir', project, '--json', '-'];

interface Run {
  status: number | null;
  stdout: string;
  milliseconds: number;
}

/** Runs the set-up; kills it, and it alone, as soon as a folder `killedIn`-PID is in the package. */
async function setUp(killedIn?: string): Promise<Run> {
  const start = performance.now();
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  const ended = once(child, 'close') as Promise<[number | null]>;
  while (killedIn !== undefined && child.exitCode === null) {
    if (existsSync(packageFolder) && readdirSync(packageFolder).includes(`${killedIn}-${child.pid}`)) {
      await delay(500);
      child.kill('SIGKILL');
      break;
    }
    await delay(20);
  }
  const [status] = await ended;
  return { status, stdout, milliseconds: performance.now() - start };
}

describeTensorflow('cosface setup-tensorflow, from a bare project', () => {
  beforeAll(() => {
    writeFileSync(join(project, 'package.json'), '{ "name": "project", "private": true }\n');
  });
  afterAll(() => rmSync(project, { recursive: true, force: true }));

  test('killed while it extracts, then while it builds, it goes on where it was', async () => {
    expect((await setUp('cosface-deps')).status).toBe(null);
    expect(existsSync(join(packageFolder, 'deps'))).toBe(false);

    expect((await setUp('cosface-build')).status).toBe(null);
    expect(existsSync(join(packageFolder, 'deps', 'lib', 'libtensorflow_cc.so.2'))).toBe(true);
    expect(existsSync(join(packageFolder, 'lib'))).toBe(false);

    const { status, stdout } = await setUp();
    expect(status).toBe(0);
    expect(JSON.parse(stdout) as SetupResult).toMatchObject({
      tfjsNode: '4.22.0',
      tensorflow: '2.21.0',
      wasReady: false,
    });
    expect(readdirSync(packageFolder).filter((name) => name.startsWith('cosface-'))).toEqual([]);
  });

  test('once it is ready, a second run says so at once', async () => {
    const { status, stdout, milliseconds } = await setUp();
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ wasReady: true });
    // Mostly the load of libtensorflow, 1 s on an idle machine.
    expect(milliseconds).toBeLessThan(10_000);
  });

  test('doctor finds it, and the op that works there', () => {
    const doctor = ['dist/cli/main.js', 'doctor', '--dir', project, '--json', '-'];
    const { packages, problems } = JSON.parse(
      execFileSync(process.execPath, doctor, { cwd: root, encoding: 'utf8' }),
    ) as Diagnosis;
    expect(packages[0]).toMatchObject({
      state: 'ready',
      probe: {
        tensorflow: '2.21.0',
        op: { outcome: 'registered', devices: ['CPU'], gpuReason: 'TensorFlow uses no GPU.' },
      },
    });
    expect(problems).toEqual([]);
  });

  test('a library that was cut short is noticed and extracted anew', async () => {
    writeFileSync(join(packageFolder, 'deps', 'lib', 'libtensorflow_framework.so.2'), 'short');
    expect((await setUp('cosface-deps')).status).toBe(null);
  });
});
