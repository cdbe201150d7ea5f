import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { root } from './cli/run-cli.js';

/** Only a user who may mount can have a file system of their own, small enough to be full. */
const canMount = spawnSync('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=64k tmpfs /mnt']).status === 0;

/** A test that calls `withSmallDisk`; where this user may not mount there is none, and the report says so. */
export function testWithSmallDisk(title: string, run: () => void | Promise<void>): void {
  if (canMount) test(title, run);
  else test(`NOT RUN, because this user may not mount a file system: ${title}`, () => expect(canMount).toBe(false));
}

/** Runs a shell script with an empty file system of so many kibibytes at /mnt, which goes when it ends. */
export function withSmallDisk(
  kibibytes: number,
  script: string,
  parameters: readonly string[] = [],
): { stdout: string; stderr: string } {
  const mount = `mount -t tmpfs -o size=${kibibytes}k tmpfs /mnt`;
  const { stdout, stderr } = spawnSync('unshare', ['-rm', 'sh', '-c', `${mount} && ${script}`, ...parameters], {
    encoding: 'utf8',
    cwd: root,
  });
  return { stdout, stderr };
}
