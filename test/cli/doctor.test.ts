import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Diagnosis } from '../../src/cli/doctor/diagnose.js';
import { addBarePackage, runCli, temporaryProject } from './run-cli.js';

let project: string;
beforeEach(() => {
  project = temporaryProject();
});
afterEach(() => rmSync(project, { recursive: true }));

test('a project without tfjs-node: the kernels work, nothing is wrong', () => {
  const { status, stdout } = runCli(['doctor', '--dir', project, '--json', '-']);
  const diagnosis = JSON.parse(stdout) as Diagnosis;
  expect(status).toBe(0);
  expect(diagnosis).toMatchObject({
    ok: true,
    problems: [],
    core: { node: process.versions.node, isa: expect.any(String) },
  });
  expect(diagnosis.packages.map(({ state }) => state)).toEqual(['absent', 'absent']);
});

test('without its binary: exit status 1, and every problem with its remedy', () => {
  const file = join(project, 'doctor.json');
  const env = { COSFACE_BINARY: join(project, 'none.node') };
  const { status, stdout } = runCli(['doctor', '--dir', project, '--json', file], env);
  expect(status).toBe(1);
  expect(stdout).toMatch(
    /The native kernels do not work\.\s+! COSFACE_NO_BINARY[\s\S]*none\.node[\s\S]*Remedy: npx cosface build/,
  );
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ ok: false, core: { binary: null } });
});

test('a tfjs-node that was never set up: the kernels work, the remedy is setup-tensorflow', () => {
  addBarePackage(project);
  const { status, stdout } = runCli(['doctor', '--dir', project]);
  expect(status).toBe(0);
  expect(stdout).toMatch(/tfjs-node is installed without its native binding\s+Remedy: npx cosface setup-tensorflow/);
});

test('another version of tfjs-node is named', () => {
  addBarePackage(project, '3.0.0');
  expect(runCli(['doctor', '--dir', project]).stdout).toContain(
    '@tensorflow/tfjs-node is 3.0.0; cosface is made for 4.22.0',
  );
});
