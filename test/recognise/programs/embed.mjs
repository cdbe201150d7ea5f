// Embeds a folder slowly, saying after each batch how many images are done, so that it can be killed in between.
import { openImageFolder } from 'cosface/data';
import { loadModelFolder, startBackend } from 'cosface/models';
import { embedToFiles } from 'cosface/recognise';

const [folder, images, features] = process.argv.slice(2);
await startBackend('wasm');
const done = await embedToFiles(await loadModelFolder(folder), await openImageFolder(images), {
  features,
  batchSize: 2,
  threads: 0,
  saveEvery: 0,
  onProgress: (count) => process.stdout.write(`${count}\n`),
});
process.stdout.write(`${JSON.stringify(done)}\n`);
