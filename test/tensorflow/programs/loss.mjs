// One loss and its gradients on the backend tensorflow, as a user's program would compute them.
import tf from '@tensorflow/tfjs-node';
import { cosFaceLoss } from 'cosface';

const x = tf.tensor2d([1, 0, 0, 1], [2, 2]);
const w = tf.tensor2d([1, 0, 0, 1, -1, 0], [3, 2]);
const { value, grads } = tf.valueAndGrads((a, b) => cosFaceLoss(a, b, [0, 1], { scale: 2, margin: 0.5 }))([x, w]);
console.log(
  JSON.stringify({ backend: tf.getBackend(), loss: value.dataSync()[0], gradients: grads.map(({ shape }) => shape) }),
);
