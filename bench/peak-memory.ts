import { readFileSync, writeFileSync } from 'node:fs';

/** Bytes by which this process has grown at its highest since `watchPeakMemory`. */
export type PeakMemory = () => number;

/**
 * Watches how far this process's resident memory rises above what it is now.
 *
 * On Linux the kernel's high-water mark is reset here and read as VmHWM (proc(5), clear_refs); it is right to a fraction
 * of a MiB, the kernel's counters being kept for each processor. Elsewhere the mark cannot be reset and the answer is an
 * upper bound: it may stem from before. Garbage that is freed meanwhile counts as room; collect it first.
 */
export function watchPeakMemory(): PeakMemory {
  if (!resetHighWaterMark()) {
    const before = process.memoryUsage.rss();
    return () => Math.max(0, process.resourceUsage().maxRSS * 1024 - before);
  }
  const before = statusBytes('VmRSS');
  return () => Math.max(0, statusBytes('VmHWM') - before);
}

/** How `watchPeakMemory` measures on this system, for a report. */
export function peakMemoryMethod(): string {
  return process.platform === 'linux'
    ? 'VmHWM after a reset, less VmRSS at the reset'
    : 'maxRSS, which cannot be reset here (an upper bound), less the resident size before';
}

function resetHighWaterMark(): boolean {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
    return true;
  } catch {
    return false; // not Linux, or a sandbox that hides it
  }
}

function statusBytes(field: 'VmRSS' | 'VmHWM'): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(match?.[1]) * 1024;
}
