import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

/** Debian's Chromium, or what stands for it; undefined where there is none. */
export const chromiumPath: string | undefined = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find(existsSync);

/** WebGPU on a machine without a GPU: SwiftShader, which Chromium brings. WebGL takes it by itself. */
const WEBGPU_IN_SOFTWARE = [
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-features=Vulkan',
  // Without it the GPU is gone after the first synchronous read.
  '--use-vulkan=swiftshader',
  '--enable-unsafe-swiftshader',
  '--use-angle=swiftshader',
];

export function launchChromium({ webgpu = false }: { webgpu?: boolean } = {}): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath as string,
    args: ['--no-sandbox', ...(webgpu ? WEBGPU_IN_SOFTWARE : [])],
  });
}

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/** Serves files of this machine on a free port; `fileOf` says which, by the path that is asked for. */
export function serveFiles(fileOf: (path: string) => string): Promise<Server> {
  const server = createServer(({ url = '/' }, response) => {
    const path = new URL(url, 'http://localhost').pathname.replace(/\/$/, '/index.html');
    const file = fileOf(path);
    const there = existsSync(file);
    response.writeHead(there ? 200 : 404, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
    response.end(there ? readFileSync(file) : '');
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

export function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
