/** Settings by name, as in a file; not checked yet. */
export type SettingsGroup = Record<string, unknown>;

export function isSettingsGroup(value: unknown): value is SettingsGroup {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
