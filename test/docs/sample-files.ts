import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { saveModelFolder } from '../../src/models/model-folder.js';
import { encoded, madeImage } from '../data/made-images.js';
import { writeFeatures } from '../evaluate/feature-files.js';
import { smallModel } from '../recognise/small-model.js';

// Faces that lie beside the repository on some machines and never in it.
const realPhotos: string = fileURLToPath(new URL('../../../shared/data/lfw-original-sample', import.meta.url));

/** Whether there is a photo in which a detector finds a face. */
export const hasRealPhotos: boolean = existsSync(realPhotos);

/** Two folds of two genuine and two impostor pairs. */
const LFW_PAIRS = `2\t2
Ann\t1\t2
Bob\t1\t2
Ann\t1\tBob\t2
Cid\t1\tDot\t1
Cid\t1\t2
Dot\t2\t3
Eve\t1\tFay\t2
Gus\t1\tHal\t1
`;

async function addImage(path: string, kind: number): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, await encoded(madeImage(96, 112, kind), 'jpeg'));
}

/** Fills a folder with the files that the documents' samples name. */
export async function writeSampleFiles(folder: string): Promise<void> {
  const names: string[] = [];
  const people = [
    'Ann',
    'Bob',
    'Cid',
    'Dot',
    'Eve',
    'Fay',
    'Gus',
    'Hal',
    'Ida',
    'Jim',
    'Kay',
    'Leo',
    'Mia',
    'Ned',
    'Oda',
    'Pia',
    'Ray',
    'Sue',
    'Tom',
    'Una',
  ];
  for (const [person, name] of people.entries())
    for (const i of [1, 2, 3, 4, 5]) {
      const path = `${name}/${name}_000${i}.jpg`;
      names.push(path);
      for (const set of ['aligned', 'staff', 'lfw-112x96']) await addImage(join(folder, set, path), 20 * person + i);
    }
  await addImage(join(folder, 'a.jpg'), 1);
  await addImage(join(folder, 'b.jpg'), 2);
  await addImage(join(folder, 'visitor.jpg'), 21);
  writeFileSync(join(folder, 'pairs.txt'), LFW_PAIRS);
  writeFileSync(join(folder, 'my-pairs.txt'), 'Ann/1.jpg Ann/2.jpg 1\nAnn/1.jpg Bob/1.jpg 0\n');
  writeFeatures(
    folder,
    'lfw',
    names.map((name, i) => [name, [Math.sin(i), Math.cos(i * i)]]),
  );
  await saveModelFolder(join(folder, 'runs', 'mine', 'best'), smallModel());
  if (hasRealPhotos) copyPhotos(folder);
}

function copyPhotos(folder: string): void {
  const photos = readdirSync(realPhotos, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.jpg'));
  for (const [index, name] of photos.slice(0, 4).entries())
    cpSync(join(realPhotos, name), join(folder, 'photos', `${index + 1}.jpg`));
}
