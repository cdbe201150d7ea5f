/** The exit status of a run that a signal has stopped: programs see that it is not done. */
export const STOPPED = 130;

/** Calls `stop` at the first SIGINT or SIGTERM; a second one ends the process at once, as signals do. Returns what ends that. */
export function onSignals(stop: () => void): () => void {
  const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];
  for (const signal of signals) process.once(signal, stop);
  return () => {
    for (const signal of signals) process.off(signal, stop);
  };
}
