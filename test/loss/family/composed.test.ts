import { testFamily } from './family-tests.js';
import { testVectors } from './vector-tests.js';

process.env['COSFACE_BACKEND'] = 'js';
testFamily(['cpu', 'wasm']);
testVectors(['cpu', 'wasm']);
