import { Presets, SingleBar } from 'cli-progress';

/**
 * The bar that all commands show on standard error, which must be a terminal.
 *
 * @param etaBuffer - How many updates the estimate of what is left looks back on.
 */
export function createProgressBar(format: string, etaBuffer: number): SingleBar {
  const look = { barsize: 24, hideCursor: true, clearOnComplete: true, stream: process.stderr };
  return new SingleBar({ format: `{bar} ${format}`, etaBuffer, ...look }, Presets.shades_classic);
}
