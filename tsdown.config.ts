import { defineConfig, type UserConfig } from 'tsdown';

const config: UserConfig = defineConfig({
  entry: {
    index: 'src/index.ts',
    'native/index': 'src/native/index.ts',
    'cli/main': 'src/cli/main.ts',
    'data/index': 'src/data/index.ts',
    'data/face-worker': 'src/data/face-worker.ts',
    'models/index': 'src/models/index.ts',
    'evaluate/index': 'src/evaluate/index.ts',
    'recognise/index': 'src/recognise/index.ts',
    'train/index': 'src/train/index.ts',
    'tfjs-node-compat': 'src/kernels/restore-is-null-or-undefined.ts',
  },
  format: 'esm',
  platform: 'node',
  target: 'node20',
  fixedExtension: false,
  dts: true,
  sourcemap: true,
  clean: true,
});

export default config;
