import type { Evaluation, LfwEvaluation, MegaFaceEvaluation } from '../../evaluate/evaluation.js';
import type { ConfidenceInterval } from '../../evaluate/intervals.js';

/** The figures for people. */
export function describeEvaluation(evaluation: Evaluation): string {
  const { protocol, features, genuine, impostor, flip, skippedPairs } = evaluation;
  const head = [
    `${protocol}: ${features.file}, ${count(features.rows)} x ${features.dim} ${features.dtype}`,
    ...(flip ? [`mirrored images: ${flip === 'add' ? 'added' : 'concatenated'}`] : []),
    `${count(genuine)} genuine and ${count(impostor)} impostor pairs${skippedPairs ? `, ${count(skippedPairs)} skipped` : ''}`,
  ];
  const own = evaluation.protocol === 'megaface' ? identificationLines(evaluation) : pairLines(evaluation);
  return [...head, ...own, '', ...rateLines(evaluation)].join('\n');
}

function pairLines(evaluation: Exclude<Evaluation, MegaFaceEvaluation>): string[] {
  const { auc, aucInterval, eer, eerThreshold } = evaluation;
  return [
    ...('pooling' in evaluation ? [`pooling: ${evaluation.pooling}`] : []),
    ...accuracyLines(evaluation),
    `AUC ${auc.toFixed(5)}${interval(aucInterval, (value) => value.toFixed(5))}`,
    `EER ${percent(eer)} at threshold ${threshold(eerThreshold)}`,
  ];
}

function accuracyLines(evaluation: Exclude<Evaluation, MegaFaceEvaluation>): string[] {
  if (evaluation.protocol === 'ijb') return [];
  if (evaluation.protocol === 'lfw' && evaluation.variants.length > 0) return ['', ...variantLines(evaluation), ''];
  const { accuracy, standardError, accuracyInterval, folds, foldsFrom, best } = evaluation;
  if (accuracy === null)
    return [`accuracy ${percent(best.accuracy)} by the threshold that suits these pairs best: too few for folds`];
  const source = foldsFrom === 'list' ? 'of the list' : 'dealt out in the order of the list';
  return [
    `accuracy ${percent(accuracy)} +- ${percent(standardError)} (standard error)${interval(accuracyInterval, percent)}`,
    `  ${folds.length} folds ${source}`,
  ];
}

function variantLines({ variants, variant: asked, foldsFrom }: LfwEvaluation): string[] {
  const source = foldsFrom === 'list' ? 'of the list' : 'dealt out in the order of the list';
  return [
    `accuracy over ${variants[0]?.folds.length} folds ${source}, +- standard error`,
    ...variants.map(
      ({ variant, accuracy, standardError, accuracyInterval }) =>
        `  ${variant.padEnd(16)} ${percent(accuracy)} +- ${percent(standardError)}` +
        `${interval(accuracyInterval, percent)}${variant === asked ? '  <' : ''}`,
    ),
  ];
}

function identificationLines({ probes, identities, identification }: MegaFaceEvaluation): string[] {
  return [
    `${count(probes)} probes of ${count(identities)} people`,
    '',
    '  distractors   rank 1',
    ...identification.map(
      ({ distractors, rank1, rank1Interval }) =>
        `  ${count(distractors).padStart(11)}   ${percent(rank1)}${interval(rank1Interval, percent)}`,
    ),
  ];
}

function rateLines({ tarAtFar }: Evaluation): string[] {
  return [
    '          FAR        TAR   threshold',
    ...tarAtFar.map(
      ({ far, tar, threshold: at, interval: around, resolved }) =>
        `  ${far.toExponential().padStart(11)}   ${percent(tar).padStart(8)}   ${threshold(at).padStart(9)}` +
        `${interval(around, percent)}${resolved ? '' : '  (fewer impostors than 1 / FAR: no false accept)'}`,
    ),
  ];
}

function interval(of: ConfidenceInterval | null, spell: (value: number) => string): string {
  return of ? `  [${spell(of.low)}, ${spell(of.high)}] ${of.level * 100} % ${of.method}` : '';
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}

function threshold(value: number | null): string {
  return value === null ? 'none' : value.toFixed(4);
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
