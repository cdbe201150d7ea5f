const given = new Set<string>();

/** Warns with a stable code, once for each distinct text: by process.emitWarning where there is one. */
export function warnOnce(code: string, text: string): void {
  const key = `${code}: ${text}`;
  if (given.has(key)) return;
  given.add(key);
  const { process } = globalThis as { process?: Partial<NodeJS.Process> };
  if (process?.emitWarning) process.emitWarning(text, { code, type: 'CosFaceWarning' });
  else console.warn(key);
}
