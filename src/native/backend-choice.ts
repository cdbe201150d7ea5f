import { CosFaceError, spell } from './errors.js';

const DEVICE_NAMES = "one of 'auto', 'cpu', 'cuda', 'cuda:1' and so on";
const AUTO = { device: 'auto', ordinal: 0 } as const;

type Environment = Readonly<Record<string, string | undefined>>;

const BACKENDS = ['auto', 'native', 'js'] as const;

/** 'native': no binary is an error. 'js': the binary is never used. 'auto': used where there is one. */
export type BackendChoice = (typeof BACKENDS)[number];
/** 'cuda' is the first GPU; 'cuda:1' the second, as CUDA_VISIBLE_DEVICES orders them. */
export type Device = 'auto' | 'cpu' | 'cuda' | `cuda:${number}`;

/** Where a call shall run, as the binary takes it. */
export interface DeviceChoice {
  /** 'auto': a GPU that can be used, else the CPU. */
  device: 'auto' | 'cpu' | 'cuda';
  /** Of the GPU. */
  ordinal: number;
  /** The option or the environment variable that names it, for errors. */
  deviceAskedBy: 'device' | 'COSFACE_DEVICE';
}

/** Browsers have no environment. */
function variables(): Environment {
  return globalThis.process?.env ?? {};
}

/**
 * What COSFACE_BACKEND asks for; 'auto' where it is unset or empty.
 *
 * @throws {CosFaceError} COSFACE_ENVIRONMENT for any other value.
 */
export function backendChoice(env: Environment = variables()): BackendChoice {
  return readChoice(env, 'COSFACE_BACKEND', BACKENDS);
}

/**
 * The device that a call asks for: the option, or where that is absent or 'auto', COSFACE_DEVICE. Whether it is there is
 * for the binary to find.
 *
 * @throws {CosFaceError} COSFACE_OPTION_RANGE or COSFACE_ENVIRONMENT for a name that is no device.
 */
export function chooseDevice(option: unknown, env: Environment = variables()): DeviceChoice {
  const fromOption = option === undefined ? AUTO : parseDevice(option);
  if (!fromOption)
    throw new CosFaceError('COSFACE_OPTION_RANGE', `device is ${spell(option)}, expected ${DEVICE_NAMES}.`, {
      argument: 'device',
    });
  if (fromOption.device !== 'auto') return { ...fromOption, deviceAskedBy: 'device' };
  const value = env['COSFACE_DEVICE'] || 'auto';
  const fromVariable = parseDevice(value);
  if (!fromVariable) throw wrongVariable('COSFACE_DEVICE', value, DEVICE_NAMES);
  return { ...fromVariable, deviceAskedBy: 'COSFACE_DEVICE' };
}

function parseDevice(name: unknown): Pick<DeviceChoice, 'device' | 'ordinal'> | undefined {
  if (name === 'auto') return AUTO;
  if (name === 'cpu') return { device: 'cpu', ordinal: 0 };
  const [, ordinal] = (typeof name === 'string' && /^cuda(?::(\d{1,4}))?$/.exec(name)) || [];
  if (ordinal === undefined && name !== 'cuda') return undefined;
  return { device: 'cuda', ordinal: Number(ordinal ?? 0) };
}

function readChoice<T extends string>(env: Environment, name: string, choices: readonly [T, ...T[]]): T {
  const value = env[name] || choices[0];
  const choice = choices.find((c) => c === value);
  if (choice !== undefined) return choice;
  throw wrongVariable(name, value, oneOf(choices));
}

function wrongVariable(name: string, value: string, expected: string): CosFaceError {
  return new CosFaceError(
    'COSFACE_ENVIRONMENT',
    `the environment variable ${name} is ${spell(value)}, expected ${expected}. Unset it for 'auto'.`,
    { argument: name },
  );
}

function oneOf(choices: readonly string[]): string {
  return `one of ${choices.map((c) => `'${c}'`).join(', ')}`;
}
