import hex from '../../build-wasm/cosface.wasm';

/** The module that scripts/wasm.mjs builds; the bundle holds it, so that a page loads nothing more and waits for nothing. */
export function moduleBytes(): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}
