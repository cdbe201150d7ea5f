import type { DecisionThreshold } from '../recognise/decision.js';

/** What is known of a threshold, for people. */
export function describeThreshold(threshold: DecisionThreshold | null): string {
  if (threshold === null)
    return 'The model has no threshold, so nothing is decided. Give --threshold, from an evaluation of this model.';
  const head = `threshold ${threshold.cosine.toFixed(4)}`;
  if (threshold.from === 'caller') return `${head}, as given; how often it errs is not known`;
  const { falseAcceptRate, trueAcceptRate, data, genuinePairs, impostorPairs } = threshold;
  const count = (value: number) => value.toLocaleString('en-US');
  return [
    `${head}: accepted at most ${falseAcceptRate.toExponential()} of the pairs of two people (false accept rate)`,
    `  and ${(100 * trueAcceptRate).toFixed(2)} % of those of one person, on ${data}`,
    `  (${count(impostorPairs)} and ${count(genuinePairs)} pairs)`,
  ].join('\n');
}
