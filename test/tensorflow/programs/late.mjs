// The addon is loaded before tfjs-node, as it is where a program imports cosface first. Argument: the addon.
import { createRequire } from 'node:module';
import { argv } from 'node:process';

const require = createRequire(import.meta.url);
const binding = require
  .resolve('@tensorflow/tfjs-node/package.json')
  .replace('package.json', 'lib/napi-v8/tfjs_binding.node');
const addon = require(argv[2]);
let early;
try {
  addon.registerTensorflowOp(binding, 'not here');
} catch ({ code, message }) {
  early = { code, message };
}
const tf = require('@tensorflow/tfjs-node');
const outcomes = [1, 2].map(() => addon.registerTensorflowOp(binding, 'not here').outcome);
const { cosFaceLoss } = await import('cosface');
console.log(JSON.stringify({ early, outcomes, loss: cosFaceLoss(tf.eye(2), tf.eye(2), [0, 1]).dataSync()[0] }));
