import { describeNative } from '../../kernels/native-addon.js';
import { testVectors } from './vector-tests.js';

process.env['COSFACE_BACKEND'] = 'native';
describeNative('on the fused kernels', () => testVectors(['cpu', 'wasm']));
