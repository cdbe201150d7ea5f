import { describeNative } from '../../kernels/native-addon.js';
import { testFamily } from './family-tests.js';

// An error where a fused kernel refuses: no case goes to the composed ops unseen.
process.env['COSFACE_BACKEND'] = 'native';
describeNative('on the fused kernels', () => testFamily(['cpu', 'wasm']));
