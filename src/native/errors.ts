/** Where an error lies; every part may be unknown. */
export interface ErrorPlace {
  /** The public name of the argument, option or environment variable. */
  argument?: string | undefined;
  /** Flat index into that argument. */
  index?: number | undefined;
  cause?: unknown;
}

/**
 * The only kind of error that this package throws on purpose.
 *
 * `code` is stable and made for programs; `message` is `<code>: <text>` and made for people: it names the argument,
 * what was required, what came, where, and what to do.
 *
 * @example
 * try {
 *   marginSoftmax({ embeddings, weights, labels, dim: 512 });
 * } catch (error) {
 *   if (error instanceof CosFaceError && error.code === 'COSFACE_LABEL_RANGE') console.log(`label ${error.index}`);
 *   else throw error;
 * }
 */
export class CosFaceError extends Error {
  override readonly name = 'CosFaceError';
  readonly code: string;
  readonly argument?: string;
  readonly index?: number;

  constructor(code: string, text: string, place: ErrorPlace = {}) {
    super(`${code}: ${text}`, place.cause === undefined ? undefined : { cause: place.cause });
    this.code = code;
    if (place.argument !== undefined) this.argument = place.argument;
    if (place.index !== undefined) this.index = place.index;
  }
}

/** A value as an error message shows it: short, and telling `'64'` from `64`. */
export function spell(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return 'a plain array';
  if (typeof value === 'object' && value !== null) return `a ${value.constructor?.name ?? 'plain object'}`;
  return String(value);
}
