import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { seededRandom } from '../../src/train/random.js';
import { useTrainingBackend } from '../../src/train/use-training-backend.js';
import { encoded } from '../data/made-images.js';

export interface MadePeople {
  people?: number;
  images?: number;
  size?: number;
}

/** Made people for the tests of a file, which train on the backend wasm; the folder, once these run. */
export function useMadePeople(options: MadePeople = {}): () => string {
  let folder: string;
  beforeAll(async () => {
    await useTrainingBackend('wasm');
    folder = mkdtempSync(join(tmpdir(), 'cosface-people-'));
    await makePeople(folder, options);
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  return () => folder;
}

/** Identity folders of pictures that a net can tell apart: stripes of a direction and colours of one's own, and noise. */
export async function makePeople(
  folder: string,
  { people = 12, images = 6, size = 20 }: MadePeople = {},
): Promise<void> {
  for (let person = 0; person < people; person++) {
    const name = `person-${String(person).padStart(2, '0')}`;
    mkdirSync(join(folder, name), { recursive: true });
    for (let number = 0; number < images; number++) {
      const random = seededRandom(`${person} ${number}`);
      const angle = (Math.PI * person) / people + 0.05 * random();
      const pixels = new Uint8Array(size * size * 3);
      for (let at = 0; at < pixels.length; at++) {
        const [x, y, channel] = [Math.floor(at / 3) % size, Math.floor(at / 3 / size), at % 3];
        const wave = Math.sin((x * Math.cos(angle) + y * Math.sin(angle)) * (0.6 + 0.05 * person) + channel * person);
        pixels[at] = 128 + 80 * wave + 40 * (random() - 0.5);
      }
      writeFileSync(join(folder, name, `${number}.png`), await encoded({ width: size, height: size, pixels }, 'png'));
    }
  }
}
