// The networks, without what reads and writes folders: in a browser tf.loadLayersModel does.
export { type BackboneOptions, backbone } from './backbone.js';
export { BACKBONES, type BackboneName } from './backbone-names.js';
export { embedPixels } from './embed-pixels.js';
export { type IResNetDepth, type IResNetOptions, iResNet } from './iresnet.js';
export { type MobileFaceNetOptions, mobileFaceNet } from './mobilefacenet.js';
export type {
  FlipPooling,
  ModelDescription,
  ModelEmbedding,
  ModelInput,
  ModelThreshold,
} from './model-description.js';
export { type SphereFaceDepth, type SphereFaceNetOptions, sphereFaceNet } from './sphereface-net.js';
