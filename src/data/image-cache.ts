/**
 * Decoded images of one size, kept until a byte budget is full: a small data set is then decoded only once. What is
 * kept lies in shared memory, so that handing it to a thread costs no copy.
 */
export class ImageCache {
  readonly #images = new Map<number, Uint8Array>();
  readonly #most: number;
  #bytes = 0;

  /** @param most - bytes of pixels. */
  constructor(most: number) {
    this.#most = most;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(index: number): Uint8Array | undefined {
    return this.#images.get(index);
  }

  /** Keeps a copy if there is room. */
  add(index: number, pixels: Uint8Array): void {
    if (this.#bytes + pixels.length > this.#most || this.#images.has(index)) return;
    const kept = new Uint8Array(new SharedArrayBuffer(pixels.length));
    kept.set(pixels);
    this.#images.set(index, kept);
    this.#bytes += pixels.length;
  }
}
