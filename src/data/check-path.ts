import { CosFaceError, spell } from '../native/errors.js';

/**
 * Refuses what is no path before the system is asked: its own error would name no argument.
 *
 * @param what - That the path should lead to.
 * @throws {CosFaceError} COSFACE_OPTION_RANGE.
 */
export function checkPath(path: unknown, what: string): void {
  if (typeof path === 'string') return;
  const text = `path is ${spell(path)}, expected the path of ${what}.`;
  throw new CosFaceError('COSFACE_OPTION_RANGE', text, { argument: 'path' });
}
