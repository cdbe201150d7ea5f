import { readFileSync } from 'node:fs';
import { freemem } from 'node:os';

/** Bytes that new processes can take without swapping: on Linux MemAvailable, elsewhere what is free. */
export function availableBytes(): number {
  try {
    const match = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'));
    if (match) return Number(match[1]) * 1024;
  } catch {
    // Not Linux.
  }
  return freemem();
}
