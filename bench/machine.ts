import os from 'node:os';

/** Where figures were measured. Nothing in it names the machine or its user. */
export interface Machine {
  cpu: string;
  /** Processors that this process may use. */
  processors: number;
  memoryBytes: number;
  os: string;
  node: string;
  /** Runnable processes over the last minute, before the benchmark began; null on Windows. */
  loadAverage: number | null;
}

export function describeMachine(): Machine {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    processors: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    os: `${os.platform()} ${os.arch()} ${os.release()}`,
    node: process.versions.node,
    loadAverage: os.platform() === 'win32' ? null : (os.loadavg()[0] as number),
  };
}
