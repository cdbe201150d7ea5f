import type { Isa, Precision } from '../../src/native/addon.js';
import { loadAddon } from '../../src/native/load.js';
import { medianAndSpread } from '../statistics.js';
import type { KernelChoice } from './suites.js';

/** Of one burst of multiply-adds: long enough for the clock, short beside a row's call. */
const BURST_SECONDS = 0.01;
const MEMORY_SECONDS = 0.4;
/** Of each of the triad's arrays: beyond any cache. */
const MEMORY_ARRAY_BYTES = 2 ** 28;

/** A roof of the machine. */
export interface FmaRate {
  isa: string;
  precision: Precision;
  threads: number;
  gflops: number;
  spread: number;
  bursts: number;
}

export interface MachineRates {
  fma: FmaRate[];
  /** Bytes per second with all threads; null without a binary. */
  memoryBytesPerSecond: number | null;
}

/** Measures the roofs of the machine burst by burst, in between the rows of a run. */
export class RateMeter {
  private readonly kernel: KernelChoice;
  private readonly bursts = new Map<string, number[]>();
  private readonly memory: number[] = [];

  constructor(kernel: KernelChoice) {
    this.kernel = kernel;
  }

  /**
   * GFLOP/s of multiply-adds in float32, now: in the vectors of `isa`, or of the best instruction set where `isa` is
   * none of the kernel's. `undefined` without a binary.
   */
  burst(isa: string, threads: number, precision: Precision = 'fp32'): number | undefined {
    if (this.kernel.isa === null) return undefined;
    const vectors = this.kernel.isas.includes(isa) ? isa : (this.kernel.isas.at(-1) as string);
    const rate = loadAddon().fmaRate({ isa: vectors as Isa, precision, threads, seconds: BURST_SECONDS });
    const key = JSON.stringify([vectors, precision, threads]);
    this.bursts.set(key, [...(this.bursts.get(key) ?? []), rate / 1e9]);
    return rate / 1e9;
  }

  /** A few bursts of every kind, and the memory. */
  survey(): void {
    const { isas, threads } = this.kernel;
    if (threads === null) return;
    for (let round = 0; round < 5; round++)
      for (const isa of isas)
        for (const count of new Set([1, threads]))
          for (const precision of isa === 'avx512_bf16' ? (['fp32', 'bf16'] as const) : (['fp32'] as const))
            this.burst(isa, count, precision);
    const request = { arrayBytes: MEMORY_ARRAY_BYTES, threads, seconds: MEMORY_SECONDS };
    this.memory.push(loadAddon().memoryRate(request));
  }

  rates(): MachineRates {
    const fma = [...this.bursts].map(([key, gflops]) => {
      const [isa, precision, threads] = JSON.parse(key) as [string, Precision, number];
      const { median, spread } = medianAndSpread(gflops);
      return { isa, precision, threads, gflops: median, spread, bursts: gflops.length };
    });
    return { fma, memoryBytesPerSecond: this.memory.length === 0 ? null : medianAndSpread(this.memory).median };
  }
}
