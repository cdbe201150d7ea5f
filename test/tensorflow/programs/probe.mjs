// The op over the recording or throwing function of op-probe.cc. Argument: that addon.
import { createRequire } from 'node:module';
import { argv } from 'node:process';

const require = createRequire(import.meta.url);
const tf = require('@tensorflow/tfjs-node');
const probe = require(argv[2]);
const bindingPath = Object.keys(require.cache).find((path) => path.endsWith('tfjs_binding.node'));
probe.registerOp(bindingPath);
const backend = tf.backend();
const { binding } = backend;

/** 64-byte aligned, so that TensorFlow takes the array's own memory. */
function aligned(ArrayType, values) {
  const buffer = new ArrayBuffer(4 * values.length + 64);
  const offset = (64 - (probe.addressOf(new Uint8Array(buffer)) % 64)) % 64;
  const array = new ArrayType(buffer, offset, values.length);
  array.set(values);
  return array;
}

const x = aligned(Float32Array, [1, 0, 0, 1]);
const w = aligned(Float32Array, [1, 0, 0, 1, -1, 0]);
const y = aligned(Int32Array, [0, 1]);
const inputs = [
  tf.tensor2d(x, [2, 2]),
  tf.tensor2d(w, [3, 2]),
  tf.tensor1d(y, 'int32'),
  ...Array.from({ length: 5 }, () => tf.tensor1d([])),
  tf.tensor1d(new Int32Array(Float64Array.of(64, 1, 0, 0.35, 1e-3, 0, 0, 2, 0, 1, 1, 1, 0).buffer), 'int32'),
];
const attrs = [{ name: 'num_gradients', type: binding.TF_ATTR_INT, value: 2 }];
const run = (tensors = inputs, more = []) =>
  backend.executeMultipleOutputs('CosfaceMarginSoftmaxV2', [...attrs, ...more], tensors, 5);

const outputs = run();
const first = probe.lastCall();
// Fed back in, a result must lie where the op wrote it.
run([outputs[3], outputs[4], ...inputs.slice(2)]);
const second = probe.lastCall();

const precisions = ['fp32', 'bf16-gradients', 'bf16'].map((value) => {
  run(inputs, [{ name: 'precision', type: binding.TF_ATTR_STRING, value }]);
  return probe.lastCall().precision;
});

const errors = ['runtime_error', 'bad_alloc', 'int'].map((behaviour) => {
  probe.behave(behaviour);
  const handles = binding.getNumOfTensors();
  try {
    run();
    return 'no error';
  } catch (error) {
    return binding.getNumOfTensors() === handles ? error.message : `leaked: ${error.message}`;
  }
});
probe.behave('record');
const scale = run()[0].dataSync()[0];
console.log(
  JSON.stringify({
    arrays: { embeddings: probe.addressOf(x), weights: probe.addressOf(w), labels: probe.addressOf(y) },
    ...{ first, second, precisions, errors, scale },
    shapes: [probe.inferShapes(bindingPath, false), probe.inferShapes(bindingPath, true)],
  }),
);
