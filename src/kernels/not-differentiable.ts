import { clone, customGrad, engine, type Tensor } from '@tensorflow/tfjs-core';
import { CosFaceError } from '../native/errors.js';

/**
 * Computes gradients such that differentiating them again fails, instead of taking them for constants.
 *
 * @param label - What has no second derivative, as the error shall name it.
 * @param sources - All that the gradients depend on: the loss's inputs, and the gradient that came from above.
 */
export function once(label: string, sources: Tensor[], compute: () => Tensor[]): Tensor[] {
  if (!engine().isTapeOn()) return compute();
  const gradients = compute();
  return gradients.map((gradient) => constantOf({ sources, label: `the gradient of ${label}` }, () => clone(gradient)));
}

/** What `constantOf` guards: an argument or a result by its public name, or anything else by a label. */
export type Constant = { sources: Tensor[] } & ({ argument: string } | { label: string });

/**
 * A tensor that depends on `sources` but must not be differentiated by them: going back through it throws
 * COSFACE_NOT_DIFFERENTIABLE, where a plain tensor would silently give no gradient.
 */
export function constantOf(constant: Constant, compute: () => Tensor): Tensor {
  return customGrad(() => ({
    value: compute(),
    gradFunc: () => withTapeReleased(() => notDifferentiable(constant)),
  }))(...constant.sources);
}

function notDifferentiable(constant: Constant): never {
  const argument = 'argument' in constant ? constant.argument : undefined;
  throw new CosFaceError(
    'COSFACE_NOT_DIFFERENTIABLE',
    `${'label' in constant ? constant.label : argument} has no gradient here: only the loss is differentiable, once, by ` +
      'embeddings and weights. Detach it from what you differentiate, for example by computing it outside the function ' +
      'given to tf.grads.',
    { argument },
  );
}

/** Runs a part of a backward pass; should it throw, what the tape has saved is given back first. */
export function withTapeReleased<T>(compute: () => T): T {
  try {
    return compute();
  } catch (error) {
    releaseTape();
    throw error;
  }
}

/** The engine frees what a tape has saved only when the backward pass ends well. */
function releaseTape(): void {
  const { state } = engine();
  if (state.gradientDepth > 0) return;
  for (const node of state.activeTape ?? []) for (const tensor of node.saved ?? []) tensor.dispose();
}

/** Computes what has no part in the gradient, without leaving anything on the tape. */
export function offTape<T>(compute: () => T): T {
  const { state } = engine();
  // As inside a kernel, where the engine records nothing.
  state.kernelDepth++;
  try {
    return compute();
  } finally {
    state.kernelDepth--;
  }
}

/**
 * Runs a part of a forward pass that may put more than one node on the tape; should it throw, what those nodes have
 * saved is given back, which the engine does only for a tape that is gone through.
 */
export function withTapeUnwound<T>(compute: () => T): T {
  const { state } = engine();
  const before = state.activeTape?.length ?? 0;
  try {
    return compute();
  } catch (error) {
    for (const node of state.activeTape?.splice(before) ?? []) for (const tensor of node.saved ?? []) tensor.dispose();
    throw error;
  }
}
