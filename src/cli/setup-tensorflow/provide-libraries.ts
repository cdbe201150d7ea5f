import { renameSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { extractWheel } from './extract-wheel.js';
import type { Progress } from './progress.js';
import type { Wheel } from './provide-wheel.js';
import { removeFolder, scratchFolder } from './scratch-folder.js';
import { type LibraryRecord, writeRecord } from './setup-record.js';
import { INSTALLER_LIBRARY_VERSION } from './wheels.js';

/**
 * Other names of the two libraries. The linker wants `.so`; `.so.2` is what a binding from elsewhere would ask for;
 * and without the two versioned ones tfjs-node's own installer (`npm rebuild`) deletes the folder and downloads.
 */
const LINKS: ReadonlyArray<[name: string, library: string]> = [
  ['libtensorflow.so', 'libtensorflow_cc.so.2'],
  ['libtensorflow.so.2', 'libtensorflow_cc.so.2'],
  [`libtensorflow.so.${INSTALLER_LIBRARY_VERSION}`, 'libtensorflow_cc.so.2'],
  ['libtensorflow_framework.so', 'libtensorflow_framework.so.2'],
  [`libtensorflow_framework.so.${INSTALLER_LIBRARY_VERSION}`, 'libtensorflow_framework.so.2'],
];

/** Fills the package's deps/ from the wheel, in a folder beside that is renamed when it is whole. */
export async function provideLibraries(
  packageDirectory: string,
  wheel: Wheel,
  { tensorflow, gpu, progress }: Pick<LibraryRecord, 'tensorflow' | 'gpu'> & { progress: Progress },
): Promise<LibraryRecord> {
  const scratch = scratchFolder(packageDirectory, 'cosface-deps');
  try {
    const libraries = await extractWheel(wheel.path, scratch, progress);
    for (const [name, library] of LINKS) symlinkSync(library, join(scratch, 'lib', name));
    const record = { tensorflow, gpu, wheel: basename(wheel.path), wheelSha256: wheel.sha256, libraries };
    writeRecord(scratch, record);
    const deps = join(packageDirectory, 'deps');
    removeFolder(deps);
    renameSync(scratch, deps);
    return record;
  } finally {
    removeFolder(scratch);
  }
}
