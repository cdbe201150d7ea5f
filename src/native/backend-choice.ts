import { CosFaceError, spell } from './errors.js';

type Environment = Readonly<Record<string, string | undefined>>;

const BACKENDS = ['auto', 'native', 'js'] as const;
const DEVICES = ['auto', 'cpu', 'cuda'] as const;

/** 'native': no binary is an error. 'js': the binary is never used. 'auto': used where there is one. */
export type BackendChoice = (typeof BACKENDS)[number];
export type Device = (typeof DEVICES)[number];

/**
 * What COSFACE_BACKEND asks for; 'auto' where it is unset or empty.
 *
 * @throws {CosFaceError} COSFACE_ENVIRONMENT for any other value.
 */
export function backendChoice(env: Environment = process.env): BackendChoice {
  return readChoice(env, 'COSFACE_BACKEND', BACKENDS);
}

/**
 * The device that a call runs on: the option, or where that is absent or 'auto', COSFACE_DEVICE. This build has one.
 *
 * @throws {CosFaceError} COSFACE_DEVICE_UNAVAILABLE for 'cuda'; COSFACE_OPTION_RANGE or COSFACE_ENVIRONMENT for a name
 * that is no device.
 */
export function chooseDevice(option: unknown, env: Environment = process.env): 'cpu' {
  if (option !== undefined && !DEVICES.includes(option as Device))
    throw new CosFaceError('COSFACE_OPTION_RANGE', `device is ${spell(option)}, expected ${oneOf(DEVICES)}.`, {
      argument: 'device',
    });
  const fromOption = option !== undefined && option !== 'auto';
  const device = fromOption ? option : readChoice(env, 'COSFACE_DEVICE', DEVICES);
  if (device === 'cuda')
    throw new CosFaceError(
      'COSFACE_DEVICE_UNAVAILABLE',
      `${fromOption ? 'device' : 'the environment variable COSFACE_DEVICE'} is 'cuda', but this build of cosface has ` +
        `no CUDA part. Use 'cpu' or 'auto'.`,
      { argument: fromOption ? 'device' : 'COSFACE_DEVICE' },
    );
  return 'cpu';
}

function readChoice<T extends string>(env: Environment, name: string, choices: readonly [T, ...T[]]): T {
  const value = env[name] || choices[0];
  const choice = choices.find((c) => c === value);
  if (choice !== undefined) return choice;
  throw new CosFaceError(
    'COSFACE_ENVIRONMENT',
    `the environment variable ${name} is ${spell(value)}, expected ${oneOf(choices)}. Unset it for '${choices[0]}'.`,
    { argument: name },
  );
}

function oneOf(choices: readonly string[]): string {
  return `one of ${choices.map((c) => `'${c}'`).join(', ')}`;
}
