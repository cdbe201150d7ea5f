// Two copies of the addon, as two versions of cosface in one node_modules tree bring. Arguments: both.
import { createRequire } from 'node:module';
import { argv } from 'node:process';

const require = createRequire(import.meta.url);
const tf = require('@tensorflow/tfjs-node');
const binding = Object.keys(require.cache).find((path) => path.endsWith('tfjs_binding.node'));
const outcomes = argv.slice(2).map((path) => require(path).registerTensorflowOp(binding, 'not here').outcome);
const { cosFaceLoss } = await import('cosface');
console.log(JSON.stringify({ outcomes, loss: cosFaceLoss(tf.eye(2), tf.eye(2), [0, 1]).dataSync()[0] }));
