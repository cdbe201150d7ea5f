import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { defineConfig, type UserConfig } from 'tsdown';

const WASM_MODULE = 'build-wasm/cosface.wasm';

const forNode: UserConfig = {
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
};

/** `x.browser.ts` takes the place of `x.ts`, which needs Node. */
const browserTwins = {
  name: 'browser-twins',
  resolveId(source: string, importer?: string) {
    if (!importer || !source.startsWith('.')) return null;
    const twin = resolve(dirname(importer), source.replace(/\.js$/, '.browser.ts'));
    return existsSync(twin) ? twin : null;
  },
};

const wasmAsText = {
  name: 'wasm-as-text',
  load(id: string) {
    return id.endsWith('.wasm')
      ? { code: `export default '${readFileSync(id, 'hex')}'`, moduleType: 'js' as const }
      : null;
  },
};

const forBrowsers: UserConfig = {
  entry: { index: 'src/index.browser.ts', models: 'src/models/index.browser.ts' },
  outDir: 'dist/browser',
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  fixedExtension: false,
  dts: true,
  sourcemap: false,
  clean: false,
  // Of types alone: test/browser sees to it that no code asks for them.
  external: [/^node:/],
  plugins: [browserTwins, wasmAsText],
};

/** Where the module for browsers was not built (`npm run build` does), the rest is. */
const config: UserConfig[] = defineConfig(existsSync(WASM_MODULE) ? [forNode, forBrowsers] : [forNode]);

export default config;
