import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openIdentityFolders } from '../../src/data/identity-folders.js';
import { readLandmarks } from '../../src/data/landmarks.js';
import { openListFile } from '../../src/data/list-file.js';
import { openFaces } from '../../src/data/open-faces.js';
import { plainPath } from '../../src/data/path-inside.js';
import { contentLines } from '../../src/data/text-lines.js';
import { CosFaceError } from '../../src/native/errors.js';
import { folderOf, refusal, temporaryFolder } from './made-images.js';

function listOf(folder: string, text: string): string {
  writeFileSync(join(folder, 'list.txt'), text);
  return join(folder, 'list.txt');
}

test('identity folders: names sorted, other files passed over and counted', async () => {
  const folder = folderOf(
    'zoe/2.jpg',
    'zoe/1.PNG',
    'Ann/x.webp',
    'Ann/notes.txt',
    'bob/1.pgm',
    'readme.md',
    '.git/a.jpg',
  );
  const set = await openIdentityFolders(folder);
  expect(set.identities).toEqual(['Ann', 'bob', 'zoe']);
  expect([...set.labels]).toEqual([0, 1, 2, 2]);
  expect([0, 1, 2, 3].map(set.nameOf)).toEqual(['Ann/x.webp', 'bob/1.pgm', 'zoe/1.PNG', 'zoe/2.jpg']);
  expect(Buffer.from(await set.read(3)).toString()).toBe('zoe/2.jpg');
  expect(set.notes).toEqual(['2 files that are no images of an identity were passed over.']);
});

test('identities with too few images, and ones that look alike', async () => {
  const folder = folderOf('Ann Lee/1.jpg', 'Ann Lee/2.jpg', 'ann_lee/1.jpg', 'empty/x.txt');
  const set = await openIdentityFolders(folder, { minimumImages: 2 });
  expect(set.identities).toEqual(['Ann Lee']);
  expect(set.notes.join()).toContain('2 of 3 identities have fewer than 2 images');
  expect(set.notes.join()).toContain('"Ann Lee" and "ann_lee" look like one person twice');
  expect((await refusal(openIdentityFolders(folder, { minimumImages: 3 }))).message).toContain('it has no images');
  expect((await refusal(openIdentityFolders(join(folder, 'none')))).message).toContain('no such file or folder');
});

test('links that lead out of the root are not followed', async () => {
  const outside = folderOf('secret/1.jpg');
  const folder = folderOf('ann/1.jpg');
  symlinkSync(join(outside, 'secret', '1.jpg'), join(folder, 'ann', '2.jpg'));
  symlinkSync(join(folder, 'ann', '1.jpg'), join(folder, 'ann', '3.jpg'));
  const set = await openIdentityFolders(folder);
  const error = await refusal(set.read(1));
  expect([error.code, error.message]).toEqual(['COSFACE_PATH', expect.stringContaining('it is a link out of')]);
  expect(Buffer.from(await set.read(2)).toString()).toBe('ann/1.jpg');
  symlinkSync(join(outside, 'secret'), join(folder, 'bob'));
  expect((await refusal(openIdentityFolders(folder))).code).toBe('COSFACE_PATH');
});

test.each([
  ['tabs', 'a/1.jpg\tann\nb/1.jpg\tbob\n'],
  ['blanks', 'a/1.jpg ann\nb/1.jpg bob'],
  ['commas', 'a/1.jpg,ann\r\nb/1.jpg,bob\r\n'],
  ['a byte order mark, comments and blank lines', '\uFEFF# faces\n\na/1.jpg\tann\n  \nb/1.jpg\tbob\n'],
])('a list with %s', async (_, text) => {
  const folder = folderOf('a/1.jpg', 'b/1.jpg');
  const set = await openListFile(listOf(folder, text));
  expect(set.identities).toEqual(['ann', 'bob']);
  expect(Buffer.from(await set.read(1)).toString()).toBe('b/1.jpg');
});

test('a path alone is of the identity of its folder; names may have blanks', async () => {
  const folder = folderOf('x/Ann Lee/my photo.jpg', 'x/bob/1.jpg');
  const set = await openListFile(listOf(folder, 'x/Ann Lee/my photo.jpg\nx/bob/1.jpg\n'));
  expect(set.identities).toEqual(['Ann Lee', 'bob']);
});

test('numbers with gaps become labels without, in their order', async () => {
  const folder = folderOf('a.jpg', 'b.jpg', 'c.jpg');
  const set = await openListFile(listOf(folder, 'a.jpg 10\nb.jpg 2\nc.jpg 10\n'));
  expect(set.identities).toEqual(['2', '10']);
  expect([0, 1, 2].map((at) => [set.nameOf(at), set.labels[at]])).toEqual([
    ['b.jpg', 0],
    ['a.jpg', 1],
    ['c.jpg', 1],
  ]);
  expect(set.notes.join()).toContain('numbered 2 to 10: labels are 0 to 1');
});

test.each([
  { text: 'a.jpg 1\n../b.jpg 1\n', says: 'list.txt:2: path "../b.jpg" leads upwards', code: 'COSFACE_PATH' },
  { text: 'x/../../b.jpg 1\n', says: 'leads upwards', code: 'COSFACE_PATH' },
  { text: 'x\\..\\..\\b.jpg 1\n', says: 'leads upwards', code: 'COSFACE_PATH' },
  { text: '/etc/passwd 1\n', says: 'is absolute', code: 'COSFACE_PATH' },
  { text: 'C:\\faces\\a.jpg 1\n', says: 'is absolute', code: 'COSFACE_PATH' },
  {
    text: 'a.jpg 1\na.jpg 2\n',
    says: "list.txt:2: a.jpg is of identity '2', and of '1' in line 1",
    code: 'COSFACE_LIST',
  },
  { text: 'a.jpg\n', says: 'has no identity', code: 'COSFACE_LIST' },
  { text: 'a\0b 1\n', says: 'has a zero byte', code: 'COSFACE_LIST' },
  { text: '# nothing\n', says: 'it has no images', code: 'COSFACE_DATA' },
  { text: `${'x'.repeat(200_000)} 1\n`, says: 'longer than 65536', code: 'COSFACE_LIST' },
])('a list is refused: $says', async ({ text, says, code }) => {
  const error = await refusal(openListFile(listOf(temporaryFolder(), text)));
  expect([error.code, error.message]).toEqual([code, expect.stringContaining(says)]);
});

test('a line twice counts once; a file that is not there is told when it is read', async () => {
  const folder = folderOf('a.jpg');
  const set = await openListFile(listOf(folder, 'a.jpg 0\n./a.jpg 0\ngone.jpg 1\n'));
  expect(set.size).toBe(2);
  expect(set.notes).toEqual(['1 lines repeat a path: each image counts once.']);
  expect((await refusal(set.read(1))).message).toMatch(/gone\.jpg: there is no such file/);
  writeFileSync(join(folder, 'gone.jpg'), '');
  expect((await refusal(set.read(1))).message).toMatch(/gone\.jpg: it is empty/);
  expect((await refusal(openFaces(join(folder, 'list.none')))).message).toContain('no such file');
  expect((await refusal(openFaces(undefined as never))).message).toMatch(
    /path is undefined, expected the path of a folder/,
  );
});

test('no path of a list leads out of its root', () => {
  const parts = fc.array(fc.constantFrom('..', '.', '', 'a', 'b c', '/', '\\', 'C:', '\0', '...'), { maxLength: 8 });
  fc.assert(
    fc.property(parts, fc.constantFrom('/', '\\', ''), (pieces, separator) => {
      let path: string;
      try {
        path = plainPath(pieces.join(separator), 'list:1');
      } catch (error) {
        expect(error).toBeInstanceOf(CosFaceError);
        return;
      }
      expect(join('/root/of/all', path).startsWith('/root/of/all/')).toBe(true);
      expect(path).not.toMatch(/(^|[\\/])\.\.([\\/]|$)|\0/);
    }),
    { numRuns: 2000 },
  );
});

test('lines come whole however the chunks of a file fall', async () => {
  const folder = temporaryFolder();
  const expected = Array.from({ length: 9000 }, (_, i) => `zeile ${'ü'.repeat(i % 17)} ${i}`);
  writeFileSync(join(folder, 'long.txt'), expected.join('\r\n'));
  const found: string[] = [];
  for (const { text } of contentLines({ file: join(folder, 'long.txt') })) found.push(text);
  expect(found).toEqual(expected);
});

test('landmarks', async () => {
  const folder = temporaryFolder();
  const list = listOf(folder, 'a/My Face.jpg\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10.5\nb.jpg 1 2 3 4 5 6 7 8 9 10\n');
  const all = await readLandmarks(list);
  expect(all.get('a/My Face.jpg')).toEqual([
    [1, 2],
    [3, 4],
    [5, 6],
    [7, 8],
    [9, 10.5],
  ]);
  expect(all.size).toBe(2);
  for (const [text, says] of [
    ['a.jpg 1 2 3 4 5 6 7 8 9\n', 'ten numbers'],
    ['a.jpg 1 2 3 4 5 6 7 8 9 x\n', 'ten numbers'],
    ['a.jpg 1 2 3 4 5 6 7 8 9 1e9\n', 'ten numbers'],
    ['../a.jpg 1 2 3 4 5 6 7 8 9 10\n', 'leads upwards'],
    ['a.jpg 1 2 3 4 5 6 7 8 9 10\na.jpg 1 2 3 4 5 6 7 8 9 10\n', 'list.txt:2: a.jpg comes twice'],
    ['\n', 'no landmarks'],
  ] as const) {
    expect((await refusal(readLandmarks(listOf(folder, text)))).message).toContain(says);
  }
});
