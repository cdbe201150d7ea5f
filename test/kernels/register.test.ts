import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import '../problem.js';

/** Each test meets the modules anew, because registration is decided once for a backend. */
async function fresh(env: Record<string, string>) {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  vi.resetModules();
  const tf = await import('@tensorflow/tfjs-core');
  const { MarginSoftmax, MarginSoftmaxGrad } = await import('../../src/kernels/kernel-names.js');
  // The registry of tfjs-core outlives the reset.
  for (const name of [MarginSoftmax, MarginSoftmaxGrad]) {
    for (const backend of ['cpu', 'wasm']) if (tf.getKernel(name, backend)) tf.unregisterKernel(name, backend);
  }
  const { registerKernels } = await import('../../src/kernels/register.js');
  const { cosFaceLoss } = await import('../../src/loss/cosface-loss.js');
  await tf.setBackend('cpu');
  const loss = () => tf.tidy(() => cosFaceLoss(tf.ones([1, 2]), tf.eye(2), [0], { scale: 4 }).dataSync()[0]);
  return { tf, registerKernels, loss, registered: () => tf.getKernel(MarginSoftmax, 'cpu') !== undefined };
}

// cos = 1/sqrt(2) for both classes: softplus(s m).
const EXPECTED = Math.log1p(Math.exp(4 * 0.35));
const NOWHERE = { COSFACE_BINARY: '/nonexistent/cosface.node' };

describe('registerKernels', () => {
  const spyOnWarnings = () => vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  let warn: ReturnType<typeof spyOnWarnings>;
  beforeEach(() => {
    warn = spyOnWarnings();
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    warn.mockRestore();
  });

  const fallbacks = () =>
    warn.mock.calls.filter(([, o]) => (o as { code?: string } | undefined)?.code === 'COSFACE_COMPOSED_FALLBACK');

  test('without a binary the composed ops work, with one warning that says why and what to do', async () => {
    const { loss, registered, registerKernels } = await fresh(NOWHERE);
    expect(loss()).toBeCloseTo(EXPECTED, 5);
    loss();
    expect(registered()).toBe(false);
    expect(registerKernels('cpu')).toBe(false);
    expect(fallbacks()).toHaveLength(1);
    const text = fallbacks()[0]?.[0] as string;
    for (const words of ['/nonexistent/cosface.node', 'COSFACE_NO_BINARY', 'COSFACE_BACKEND=js', 'COSFACE_BINARY']) {
      expect(text).toContain(words);
    }
  });

  test('COSFACE_BACKEND=js uses the composed ops without a word', async () => {
    const { loss, registered } = await fresh({ COSFACE_BACKEND: 'js' });
    expect(loss()).toBeCloseTo(EXPECTED, 5);
    expect(registered()).toBe(false);
    expect(fallbacks()).toHaveLength(0);
  });

  test('COSFACE_BACKEND=native without a binary is an error, every time', async () => {
    const { loss } = await fresh({ ...NOWHERE, COSFACE_BACKEND: 'native' });
    for (let i = 0; i < 2; i++) expect(loss).toThrow(expect.objectContaining({ code: 'COSFACE_NO_BINARY' }));
  });

  test('COSFACE_BACKEND=native on a backend without native kernels is an error that names those with', async () => {
    const { registerKernels } = await fresh({ COSFACE_BACKEND: 'native' });
    expect(() => registerKernels('webgl')).toThrow(
      expect.objectContaining({
        code: 'COSFACE_UNSUPPORTED',
        message: expect.stringContaining('cpu, wasm, tensorflow'),
      }),
    );
  });

  test('a backend without native kernels uses the composed ops without a word', async () => {
    const { registerKernels } = await fresh({});
    expect(registerKernels('webgl')).toBe(false);
    expect(fallbacks()).toHaveLength(0);
  });

  test.each([
    ['COSFACE_BACKEND', 'fast', 'COSFACE_ENVIRONMENT'],
    ['COSFACE_DEVICE', 'tpu', 'COSFACE_ENVIRONMENT'],
    ['COSFACE_DEVICE', 'cuda', 'COSFACE_DEVICE_UNAVAILABLE'],
  ])('%s=%s is %s', async (name, value, code) => {
    const { loss } = await fresh({ [name]: value });
    expect(loss).toThrow(expect.objectContaining({ code, argument: name }));
  });

  test('registering again changes nothing, not even a warning of TensorFlow.js', async () => {
    const { tf, registerKernels } = await fresh({});
    const complaints = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const first = registerKernels('cpu');
    const kernel = tf.getKernel('MarginSoftmax', 'cpu');
    expect(registerKernels('cpu')).toBe(first);
    expect(tf.getKernel('MarginSoftmax', 'cpu')).toBe(kernel);
    expect(complaints).not.toHaveBeenCalled();
    complaints.mockRestore();
  });
});

test('only tfjs-core and tfjs-layers are imported by name', () => {
  const root = fileURLToPath(new URL('../../src', import.meta.url));
  const folders = ['kernels', 'loss', 'layers'].map((folder) => `${root}/${folder}`);
  const found = execFileSync('grep', ['-rhoE', "from '@tensorflow/[a-z-]+", ...folders], { encoding: 'utf8' });
  const names = new Set(found.trim().split('\n'));
  expect([...names].sort()).toEqual(["from '@tensorflow/tfjs-core", "from '@tensorflow/tfjs-layers"]);
});
