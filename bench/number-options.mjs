import { parseArgs } from 'node:util';

/** Numbers from the command line, `--name value`; `defaults` has the names there are. */
export function numberOptions(defaults) {
  const options = Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => [name, { type: 'string', default: `${value}` }]),
  );
  const { values } = parseArgs({ options });
  return Object.fromEntries(Object.keys(defaults).map((name) => [name, Number(values[name])]));
}
