/** How much is under way at once. */
export interface TaskLimits {
  /** Tasks that run at the same time. */
  running: number;
  /** Tasks begun and not taken yet: what they hold in memory is bounded by this. */
  ahead: number;
}

/** Runs numbered tasks ahead of who takes their results, which come in the order of the numbers. */
export class OrderedTasks<T> {
  readonly #task: (at: number) => Promise<T>;
  readonly #limits: TaskLimits;
  readonly #results: Promise<T>[] = [];
  #end: number;
  #next: number;
  #running = 0;

  /** Tasks are numbered from `start` to below `end`. */
  constructor(start: number, end: number, task: (at: number) => Promise<T>, limits: TaskLimits) {
    this.#next = start;
    this.#end = end;
    this.#task = task;
    this.#limits = limits;
    this.#begin();
  }

  /** The next task's result, or `undefined` after the last. Throws what the task threw. */
  async take(): Promise<{ value: T } | undefined> {
    const result = this.#results.shift();
    if (!result) return undefined;
    this.#begin();
    return { value: await result };
  }

  /** Begins no more tasks, and waits for those that run. */
  async stop(): Promise<void> {
    this.#end = this.#next;
    await Promise.allSettled(this.#results);
  }

  #begin(): void {
    const { running, ahead } = this.#limits;
    while (this.#running < running && this.#results.length < ahead && this.#next < this.#end) {
      this.#running++;
      const result = this.#task(this.#next++).finally(() => {
        this.#running--;
        this.#begin();
      });
      // Whoever takes the result hears of its failure; until then it is no unhandled one.
      result.catch(() => {});
      this.#results.push(result);
    }
  }
}
