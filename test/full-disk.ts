import { spawnSync } from 'node:child_process';
import { root } from './cli/run-cli.js';

/** Only a user who may mount can have a file system of their own, small enough to be full. */
export const canMount: boolean =
  spawnSync('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=64k tmpfs /mnt']).status === 0;

/** Runs a shell script with an empty file system of so many kibibytes at /mnt, which goes when it ends. */
export function withSmallDisk(kibibytes: number, script: string): { stdout: string; stderr: string } {
  const mount = `mount -t tmpfs -o size=${kibibytes}k tmpfs /mnt`;
  const { stdout, stderr } = spawnSync('unshare', ['-rm', 'sh', '-c', `${mount} && ${script}`], {
    encoding: 'utf8',
    cwd: root,
  });
  return { stdout, stderr };
}
