import { expect } from 'vitest';
import { CosFaceError } from '../../src/native/index.js';

/** The error with which both forms of a call, on the thread and off it, refuse the same options. */
export async function refusal<Options>(
  call: (options: Options) => unknown,
  callAsync: (options: Options) => Promise<unknown>,
  options: Options,
): Promise<CosFaceError> {
  const thrown = await callAsync(options).catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(CosFaceError);
  const error = thrown as CosFaceError;
  expect(() => call(options)).toThrow(error.message);
  return error;
}
