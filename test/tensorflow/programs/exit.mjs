// Ends while an asynchronous job of the addon runs beside TensorFlow; argument: how.
import { argv, exit } from 'node:process';
import tf from '@tensorflow/tfjs-node';
import { cosFaceLoss } from 'cosface';
import { marginSoftmaxAsync } from 'cosface/native';

cosFaceLoss(tf.eye(2), tf.eye(2), [0, 1]).dispose();
const [batch, classes, dim] = [256, 4000, 128];
const values = (count) => Float32Array.from({ length: count }, (_, i) => Math.sin(i));
void marginSoftmaxAsync({
  embeddings: values(batch * dim),
  weights: values(classes * dim),
  labels: new Int32Array(batch),
  dim,
  gradients: true,
}).then(() => console.log('finished'));
console.log('started');
if (argv[2] === 'exit') exit(3);
if (argv[2] === 'throw') throw new Error('thrown by the test');
