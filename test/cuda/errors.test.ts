import { beforeAll, describe, expect, test } from 'vitest';
import { CosFaceError, marginSoftmax } from '../../src/native/index.js';
import { ERROR_CASES } from '../native/error-cases.js';
import { makeProblem } from '../native/problem.js';
import { describeEmulated, emulateGpu } from './emulated-gpu.js';

/** Its `device` would be replaced by ours; or what the GPU leaves to resident weights. */
const OF_ONE_DEVICE = /device|class id|not sampled/;

describeEmulated('a wrong call is the same error on the emulated GPU as on the CPU', () => {
  beforeAll(emulateGpu);

  describe.each(ERROR_CASES.filter(({ name }) => !OF_ONE_DEVICE.test(name)))('$name', ({ options, ...wanted }) => {
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

  test('class ids are for weights that stay on the GPU', () => {
    const call = { ...makeProblem({ batch: 2, classes: 3, dim: 4 }), classIds: Int32Array.of(0, 1, 2) };
    expect(() => marginSoftmax({ ...call, device: 'cuda' })).toThrow(/^COSFACE_UNSUPPORTED: .*ResidentHead, or device/);
  });
});
