import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A folder `name-PID` in `parent` for work in progress: what is finished is renamed out of it. Removes first what runs
 * that were killed have left.
 */
export function scratchFolder(parent: string, name: string): string {
  mkdirSync(parent, { recursive: true });
  for (const entry of readdirSync(parent)) {
    const pid = new RegExp(`^${name}-(\\d+)$`).exec(entry)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) removeFolder(join(parent, entry));
  }
  const folder = join(parent, `${name}-${process.pid}`);
  removeFolder(folder);
  mkdirSync(folder);
  return folder;
}

/** Tries for a second: a compiler whose parent was killed may still be writing there. */
export function removeFolder(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 4, retryDelay: 100 });
}

function isRunning(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
