import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'vite';
import { root } from '../cli/run-cli.js';

/** Whether the package for browsers has been built: `npm run build`. */
export const isBuilt: boolean = existsSync(join(root, 'dist/browser/index.js')) || Boolean(process.env['CI']);

export interface Bundle {
  folder: string;
  /** The code, by file name. */
  code: Record<string, string>;
}

/**
 * Bundles a program by Vite as an app would that has installed the package: it resolves `cosface` by its `exports`.
 *
 * @param external - What is left out of the bundle.
 */
export async function bundle(program: string, name: string, external: RegExp[] = []): Promise<Bundle> {
  const app = join(root, 'build-test/browser', name);
  rmSync(app, { recursive: true, force: true });
  mkdirSync(join(app, 'node_modules'), { recursive: true });
  symlinkSync(root, join(app, 'node_modules/cosface'));
  const result = await build({
    configFile: false,
    logLevel: 'error',
    root: app,
    plugins: [
      {
        name: 'installed-in-the-app',
        enforce: 'pre',
        resolveId(source) {
          return /^cosface(\/|$)/.test(source) ? this.resolve(source, join(app, 'main.js'), { skipSelf: true }) : null;
        },
      },
    ],
    build: {
      outDir: 'out',
      target: 'es2022',
      rollupOptions: {
        input: program,
        external,
        preserveEntrySignatures: 'strict',
        output: { entryFileNames: 'program.js' },
      },
    },
  });
  const { output } = result as Extract<typeof result, { output: unknown }>;
  return {
    folder: join(app, 'out'),
    code: Object.fromEntries(output.flatMap((file) => ('code' in file ? [[file.fileName, file.code]] : []))),
  };
}
