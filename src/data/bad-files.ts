import { CosFaceError } from '../native/errors.js';

/** What is done about an image that cannot be used. */
export type BadFilePolicy =
  /** Name it, count it, go on without it. */
  | 'skip'
  /** Stop at the first. */
  | 'fail';

export interface BadFile {
  name: string;
  reason: string;
}

/** How many bad files are remembered by name; all are counted. */
const MOST_NAMED = 100;

/** Keeps account of images that cannot be used. */
export class BadFiles {
  readonly policy: BadFilePolicy;
  readonly #named: BadFile[] = [];
  readonly #names = new Set<string>();
  #most: number;

  /** @param most - with 'skip', how many may be bad before it is an error all the same. Default: any number. */
  constructor(policy: BadFilePolicy, most: number = Number.POSITIVE_INFINITY) {
    this.policy = policy;
    this.#most = most;
  }

  /** The first hundred that were met, by name: photos are worked on side by side, and in which order is chance. */
  get named(): readonly BadFile[] {
    return this.#named.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** How many images are bad; one that is met in every epoch counts once. */
  get count(): number {
    return this.#names.size;
  }

  /**
   * Takes note of a failure.
   *
   * @throws what came, if the policy is to stop, or if it is no fault of the data.
   * @throws {CosFaceError} COSFACE_DATA: more are bad than may be.
   */
  add(name: string, error: unknown): void {
    if (this.policy === 'fail' || !(error instanceof CosFaceError)) throw error;
    if (this.#names.has(name)) return;
    this.#names.add(name);
    if (this.#named.length < MOST_NAMED) this.#named.push({ name, reason: error.message });
    if (this.count > this.#most) {
      const text = `${this.count} images cannot be used, expected at most ${this.#most}. The last: ${error.message}`;
      throw new CosFaceError('COSFACE_DATA', text, { cause: error });
    }
  }

  /** A line for the end of a run, and one for each of the first `most`; empty where all went well. */
  summary(most = 10): string {
    if (this.count === 0) return '';
    const shown = this.named.slice(0, most).map(({ reason }) => `  ${reason}`);
    const rest = this.count - shown.length;
    const images = this.count === 1 ? '1 image' : `${this.count} images`;
    return [`${images} could not be used:`, ...shown, ...(rest > 0 ? [`  and ${rest} more`] : [])].join('\n');
  }
}
