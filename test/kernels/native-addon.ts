import { describe } from 'vitest';
import type { NativeAddon } from '../../src/native/addon.js';
import { loadAddon } from '../../src/native/load.js';

function find(): NativeAddon | undefined {
  try {
    return loadAddon();
  } catch (error) {
    if (process.env['CI']) throw error;
    console.warn(`tests of the native kernels are skipped: ${(error as Error).message}`);
    return undefined;
  }
}

const found = find();

/** Only inside `describeNative`. */
export const addon: NativeAddon = found as NativeAddon;

/** Skipped where there is no binary; with CI set, a missing binary fails instead. */
export const describeNative: typeof describe | typeof describe.skip = found ? describe : describe.skip;
