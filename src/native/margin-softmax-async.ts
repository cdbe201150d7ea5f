import { loadAddon } from './load.js';
import { type MarginSoftmaxOptions, type MarginSoftmaxResult, readOptions } from './margin-softmax-options.js';

/**
 * marginSoftmax off the event loop: same arguments, same bits.
 *
 * The inputs are copied before this returns, so the caller may change, transfer or drop its arrays at once; at most
 * UV_THREADPOOL_SIZE (default 4) calls run at a time, the rest wait.
 *
 * @returns A promise that rejects where marginSoftmax throws.
 * @example
 * const { loss } = await marginSoftmaxAsync({ embeddings, weights, labels, dim: 512, m3: 0.35 });
 */
export async function marginSoftmaxAsync(options: MarginSoftmaxOptions): Promise<MarginSoftmaxResult> {
  const result = await loadAddon().marginSoftmaxAsync(readOptions(options));
  const { reducedLoss, counted, zeroEmbeddings, zeroWeights, ...outputs } = result;
  return outputs as MarginSoftmaxResult;
}
