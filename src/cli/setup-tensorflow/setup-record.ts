import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILE = 'cosface-setup.json';

/** Left in deps/ by a finished extraction. */
export interface LibraryRecord {
  /** Version of TensorFlow. */
  tensorflow: string;
  gpu: boolean;
  wheel: string;
  wheelSha256: string;
  /** Bytes of each library in lib/. */
  libraries: Record<string, number>;
}

/** Left beside the binding by a finished build. */
export interface BindingRecord {
  wheelSha256: string;
  /** Bytes of the binding. */
  bytes: number;
}

export function writeRecord(folder: string, record: LibraryRecord | BindingRecord): void {
  writeFileSync(join(folder, FILE), `${JSON.stringify(record, null, 2)}\n`);
}

/** What an extraction into `deps` has left, if its libraries are still there in full. */
export function readLibraryRecord(deps: string): LibraryRecord | undefined {
  const record = read(deps) as LibraryRecord | undefined;
  const whole = Object.entries(record?.libraries ?? {}).every(
    ([name, bytes]) => sizeOf(join(deps, 'lib', name)) === bytes,
  );
  return whole ? record : undefined;
}

/** What a build has left in the binding's folder, if the binding is still that one. */
export function readBindingRecord(folder: string): BindingRecord | undefined {
  const record = read(folder) as BindingRecord | undefined;
  return record?.bytes === sizeOf(join(folder, 'tfjs_binding.node')) ? record : undefined;
}

export function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}

function read(folder: string): unknown {
  try {
    return JSON.parse(readFileSync(join(folder, FILE), 'utf8'));
  } catch {
    return undefined; // no such stage yet, or a file cut short by a full disk
  }
}
