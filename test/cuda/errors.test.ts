import { beforeAll, describe, expect, test } from 'vitest';
import { CosFaceError, marginSoftmax } from '../../src/native/index.js';
import { ERROR_CASES } from '../native/error-cases.js';
import { describeEmulated, emulateGpu } from './emulated-gpu.js';

/** Its `device` would be replaced by ours. */
const OF_THE_DEVICE = /device/;

describeEmulated('a wrong call is the same error on the emulated GPU as on the CPU', () => {
  beforeAll(emulateGpu);

  describe.each(ERROR_CASES.filter(({ name }) => !OF_THE_DEVICE.test(name)))('$name', ({ options, ...wanted }) => {
    test('marginSoftmax throws', () => {
      const call = options();
      const given = typeof call === 'object' && call !== null ? { ...call, device: 'cuda' as const } : call;
      let error: unknown;
      try {
        marginSoftmax(given);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(CosFaceError);
      const { message, code, argument, index } = error as CosFaceError;
      expect({ code, argument, index }).toEqual({ code: wanted.code, argument: wanted.argument, index: wanted.index });
      for (const part of wanted.says) expect(message).toContain(part);
    });
  });
});
