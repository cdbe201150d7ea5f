import { parentPort, workerData } from 'node:worker_threads';
import sharp from 'sharp';
import { CosFaceError } from '../native/errors.js';
import type { FaceReply, NumberedRequest } from './face-threads.js';
import { type FacePreparation, prepareFace } from './prepare-face.js';

// The other end of face-threads.ts: one of these runs in each thread.

// Images are small and there are many: threads over images, none within one.
sharp.concurrency(1);
sharp.cache(false);

parentPort?.on('message', async ({ number, request }: NumberedRequest) => {
  const reply = await answer(number, request);
  parentPort?.postMessage(reply, 'face' in reply ? [reply.face.input.buffer as ArrayBuffer] : []);
});

async function answer(number: number, request: NumberedRequest['request']): Promise<FaceReply> {
  try {
    const face = await prepareFace(request, workerData as FacePreparation);
    return { number, face };
  } catch (error) {
    const { code = '', message, stack = '' } = error as Partial<CosFaceError> & Error;
    return {
      number,
      failure: error instanceof CosFaceError ? { code, message } : { code: '', message: stack || message },
    };
  }
}
