import { expect, test } from 'vitest';
import { openIdentityFolders } from '../../src/data/identity-folders.js';
import { openImageFolder } from '../../src/data/image-folder.js';
import { openListFile } from '../../src/data/list-file.js';
import { openRecordSet } from '../../src/data/record-set.js';
import { readVerificationBin } from '../../src/data/verification-bin.js';
import { refusal } from './made-images.js';

test.each<[string, (path: string) => Promise<unknown>]>([
  ['a folder of identity folders.', openIdentityFolders],
  ['a folder of images.', openImageFolder],
  ['a list of images.', openListFile],
  ['a .rec file.', openRecordSet],
  ["InsightFace's verification set.", readVerificationBin],
])('what is no path is refused as that of %s', async (what, open) => {
  const { message } = await refusal(open(7 as never));
  expect(message).toContain(`COSFACE_OPTION_RANGE: path is 7, expected the path of ${what}`);
});
