import { flopsOf, type LossRow, TINY } from './rows.js';

/**
 * What a call of a row will take: the cost of calling, from a tiny shape, and that of computing, from a 64th of the
 * row. That also loads the code and starts the threads, which must not count as memory of the row.
 *
 * @param callMs - Milliseconds of a call of a smaller row.
 */
export async function estimateCall(row: LossRow, callMs: (smaller: LossRow) => Promise<number>): Promise<number> {
  const calling = await callMs({ ...row, ...TINY });
  const smaller = { ...row, batch: Math.ceil(row.batch / 4), classes: Math.max(2, Math.ceil(row.classes / 16)) };
  const computing = Math.max(0, (await callMs(smaller)) - calling);
  return calling + (computing * flopsOf(row)) / flopsOf(smaller);
}
