import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { fileError } from '../data/data-error.js';
import { isSettingsGroup, type SettingsGroup } from './settings-group.js';
import { settingsError } from './train-settings.js';

/**
 * Settings from a YAML or JSON file, not checked yet. No tag or alias of YAML can make anything but plain data.
 *
 * @throws {CosFaceError} COSFACE_FILE; COSFACE_SETTINGS with the line where the file is neither.
 */
export function readSettingsFile(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw fileError({ file, argument: 'config' }, cause);
  }
  try {
    // JSON is YAML, but for its errors and numbers its own parser is the better one.
    return /\.json$/i.test(file) ? JSON.parse(text) : (parse(text, { maxAliasCount: 100 }) ?? {});
  } catch (cause) {
    throw settingsError(file, `it is no ${/\.json$/i.test(file) ? 'JSON' : 'YAML'}: ${(cause as Error).message}`);
  }
}

/**
 * The same, where the file must hold settings by name.
 *
 * @throws {CosFaceError} COSFACE_FILE, COSFACE_SETTINGS.
 */
export function readSettingsGroup(file: string): SettingsGroup {
  const settings = readSettingsFile(file);
  if (isSettingsGroup(settings)) return settings;
  throw settingsError(file, 'it holds no group of settings, expected name: value.');
}

/**
 * Puts one setting into settings: `optimizer.learningRate=0.05`, its value read as YAML.
 *
 * @throws {CosFaceError} COSFACE_SETTINGS where there is no `=`, or the path leads through something that is no group.
 */
export function assignSetting(settings: SettingsGroup, assignment: string): void {
  const [, path = '', text = ''] = /^([\w.-]+)=(.*)$/s.exec(assignment) ?? [];
  const keys = path.split('.');
  const last = keys.pop() as string;
  if (last === '' || keys.includes('') || keys.includes('__proto__') || last === '__proto__')
    throw settingsError(`--set ${assignment}`, 'expected name=value, for example optimizer.learningRate=0.05.');
  let group = settings;
  for (const key of keys) {
    const inner = Object.hasOwn(group, key) ? group[key] : undefined;
    if (inner !== undefined && !isSettingsGroup(inner))
      throw settingsError(`--set ${assignment}`, `${key} is no group of settings.`);
    const copy = { ...inner };
    group[key] = copy;
    group = copy;
  }
  group[last] = parse(text);
}
