import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { tensorflowKernels } from '../../src/kernels/tensorflow.js';
import type { NativeAddon, TensorflowRegistration } from '../../src/native/addon.js';
import { type Binding, backend, describeTensorflow, tf } from './tfjs-node.js';

let binding: Binding;

/** A TensorFlow that says it uses a GPU or none, and an addon that answers for the CUDA library. */
function register(usesGpu: boolean, device: 'auto' | 'cpu' | 'cuda', noGpu: string | null) {
  const registerTensorflowOp = vi.fn((_: string, withoutGpu: string | null): TensorflowRegistration => {
    const gpuReason = withoutGpu ?? noGpu;
    return { outcome: 'registered', devices: gpuReason === null ? ['CPU', 'GPU'] : ['CPU'], gpuReason };
  });
  backend().binding = Object.create(binding, { isUsingGpuDevice: { value: () => usesGpu } });
  const kernels = tensorflowKernels({ registerTensorflowOp } as unknown as NativeAddon, { device });
  expect(kernels).toHaveLength(2);
  return registerTensorflowOp.mock.calls[0]?.[1];
}

describeTensorflow('where the op runs in a TensorFlow with a GPU', () => {
  const warnings: string[] = [];

  beforeAll(async () => {
    await tf.setBackend('tensorflow');
    binding = backend().binding;
  });
  beforeEach(() => {
    warnings.length = 0;
    vi.spyOn(process, 'emitWarning').mockImplementation((text, options) => {
      warnings.push(`${(options as NodeJS.EmitWarningOptions).code}: ${text}`);
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    backend().binding = binding;
  });

  test.each(['auto', 'cuda'] as const)('device %s: on the GPU, without a word', (device) => {
    expect(register(true, device, null)).toBe(null);
    expect(warnings).toEqual([]);
  });

  test('device cpu: no kernel for the GPU is asked for, without a word', () => {
    expect(register(true, 'cpu', null)).toBe("COSFACE_DEVICE is 'cpu'.");
    expect(warnings).toEqual([]);
  });

  test('no GPU in TensorFlow: none is asked for, without a word', () => {
    expect(register(false, 'auto', null)).toBe('TensorFlow uses no GPU.');
    expect(warnings).toEqual([]);
  });

  test('a GPU that the CUDA library cannot use: the reason is told, once', () => {
    expect(register(true, 'auto', 'no kernels for sm_52.')).toBe(null);
    expect(register(true, 'auto', 'no kernels for sm_52.')).toBe(null);
    expect(warnings).toEqual([
      'COSFACE_TENSORFLOW_CPU: TensorFlow uses a GPU, but margin softmax runs on the CPU and its tensors are copied ' +
        'there and back: no kernels for sm_52. To keep it so without this warning, set COSFACE_DEVICE=cpu.',
    ]);
  });

  test.each([
    [true, 'no kernels for sm_52.'],
    [false, 'TensorFlow uses no GPU.'],
  ])('device cuda in vain, TensorFlow with a GPU %s: an error with the reason', (usesGpu, reason) => {
    expect(() => register(usesGpu, 'cuda', reason)).toThrow(
      expect.objectContaining({ code: 'COSFACE_DEVICE_UNAVAILABLE', message: expect.stringContaining(reason) }),
    );
  });
});
