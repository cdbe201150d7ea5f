import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect } from 'vitest';
import { registerKernels } from '../../src/kernels/register.js';
import { testKernels } from './kernel-tests.js';
import { describeNative } from './native-addon.js';

describeNative.each(['cpu', 'wasm'])('native kernels on %s', (backend) => {
  beforeAll(async () => {
    await tf.setBackend(backend);
    expect(registerKernels(backend)).toBe(true);
  });

  testKernels(backend);
});
