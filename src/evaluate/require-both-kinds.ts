import { dataError, type FilePlace } from '../data/data-error.js';
import type { ResolvedPairs } from './named-pair.js';

/** @throws {CosFaceError} COSFACE_DATA unless there are genuine and impostor pairs. */
export function requireBothKinds({ same, skipped }: ResolvedPairs, place: FilePlace): void {
  const genuine = same.reduce((count, kind) => count + kind, 0);
  if (genuine > 0 && genuine < same.length) return;
  const left = skipped > 0 ? ` are left after ${skipped} were skipped` : '';
  throw dataError(
    'COSFACE_DATA',
    place,
    `${genuine} genuine and ${same.length - genuine} impostor pairs${left}, expected at least one of each. ` +
      'Add pairs of the kind that lacks.',
  );
}
