import { configDefaults, defineConfig, type ViteUserConfig } from 'vitest/config';

const needsBinary = ['test/native/**/*.test.ts'];
const needsTensorflow = ['test/tensorflow/**/*.test.ts'];
const needsEmulatedGpu = ['test/cuda/**/*.test.ts'];
const needsTensorflowGpu = ['test/tensorflow-gpu/**/*.test.ts'];
const needsTarballs = ['test/pack/**/*.test.ts'];
/** What holds for the op in every TensorFlow: on a machine with a GPU this runs there. */
const everyTensorflow = ['test/tensorflow/margin-softmax-op.test.ts', 'test/tensorflow/permissions.test.ts'];

const config: ViteUserConfig = defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [
            ...configDefaults.exclude,
            ...needsBinary,
            ...needsTensorflow,
            ...needsEmulatedGpu,
            ...needsTensorflowGpu,
            ...needsTarballs,
          ],
          pool: 'forks',
          testTimeout: 60_000,
        },
      },
      {
        // Forks: the tests measure the memory and the handles of their process. V8's young generation stays small,
        // because its growth to 16 MiB and more looks like a leak.
        test: {
          name: 'native',
          include: needsBinary,
          pool: 'forks',
          execArgv: ['--expose-gc', '--max-semi-space-size=1'],
          testTimeout: 120_000,
        },
      },
      {
        // Forks: the tests set COSFACE_* variables, which the binary reads, and count what their process holds.
        test: {
          name: 'cuda',
          include: needsEmulatedGpu,
          pool: 'forks',
          execArgv: ['--expose-gc'],
          testTimeout: 120_000,
        },
      },
      {
        // What `npm run prebuild` packs, installed; npm fetches what it depends on.
        test: { name: 'pack', include: needsTarballs, pool: 'forks', testTimeout: 120_000 },
      },
      {
        // One file at a time: libtensorflow alone takes some 400 MB and every core.
        test: {
          name: 'tensorflow',
          include: needsTensorflow,
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        // The same with the TensorFlow that was built for GPUs.
        test: {
          name: 'tensorflow-gpu',
          include: [...needsTensorflowGpu, ...everyTensorflow],
          env: { COSFACE_TEST_TFJS_NODE_GPU: '1' },
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});

export default config;
