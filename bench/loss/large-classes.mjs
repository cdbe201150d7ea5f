// A step with very many classes: gradients returned against the resident head's, all classes against a sample of them.
//
//   node bench/loss/large-classes.mjs [--batch 256] [--classes 1000000] [--dim 512] [--rate 0.1] [--turns 5]
import { marginSoftmax, ResidentHead, sampleClasses } from '../../dist/native/index.js';
import { numberOptions } from '../number-options.mjs';
import { medianTimes, printTimes } from './in-turns.mjs';

const { batch, classes, dim, rate, turns } = numberOptions({
  batch: 256,
  classes: 1000000,
  dim: 512,
  rate: 0.1,
  turns: 5,
});

const headOf = (momentum) => new ResidentHead({ classes, dim, seed: 1, optimizer: { kind: 'sgd', momentum } });
const [plain, withMomentum] = [headOf(0), headOf(0.9)];
const weights = plain.read();
const labels = Int32Array.from({ length: batch }, (_, i) => (i * 7919 * 131) % classes);
const embeddings = Float32Array.from(
  { length: batch * dim },
  (_, at) => weights[labels[Math.floor(at / dim)] * dim + (at % dim)] + 0.1 * (Math.random() - 0.5),
);
let step = 0;
const sampled = () => ({ classIds: sampleClasses({ labels, numClasses: classes, rate, step: step++ }) });
const loss = { embeddings, labels, m3: 0.35 };
const gradients = (more) => () => marginSoftmax({ ...loss, weights, dim, gradients: true, ...more() });
const move = (head, more) => () => head.step({ ...loss, learningRate: 0.01, ...more() });
const all = () => ({});

console.log(`${batch} x ${classes} x ${dim}, ${turns} turns\n`);
printTimes(
  medianTimes(
    {
      'gradients returned': gradients(all),
      'head, SGD': move(plain, all),
      'head, SGD with momentum': move(withMomentum, all),
      [`gradients returned, rate ${rate}`]: gradients(sampled),
      [`head, SGD, rate ${rate}`]: move(plain, sampled),
      [`head, SGD with momentum, rate ${rate}`]: move(withMomentum, sampled),
    },
    turns,
  ),
  'gradients returned',
);
