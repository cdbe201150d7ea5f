const given = new Set<string>();

/**
 * Warns with a stable code, once for each `subject`: by process.emitWarning where there is one.
 *
 * @param subject - What the warning is about; leave values out that may change at every step.
 */
export function warnOnce(code: string, subject: string, text: string): void {
  const key = `${code} ${subject}`;
  if (given.has(key)) return;
  given.add(key);
  const { process } = globalThis as { process?: Partial<NodeJS.Process> };
  if (process?.emitWarning) process.emitWarning(text, { code, type: 'CosFaceWarning' });
  else console.warn(`${code}: ${text}`);
}
