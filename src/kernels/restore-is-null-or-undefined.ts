/**
 * Gives `util.isNullOrUndefined` back to Node 23 and later, for tfjs-node 4.22 (`cosface/tfjs-node-compat`).
 *
 * Node removed the function in version 23; tfjs-node 4.22.0, the newest there is, calls it in most of its kernels
 * (TensorFlow.js issue 8609; the fix, pull request 8425, has not been released). Nothing else is touched, and where
 * the function exists nothing happens at all. Load it before the first call, either way:
 *
 * @example node --import cosface/tfjs-node-compat app.js
 * @example import 'cosface/tfjs-node-compat';
 */
import util from 'node:util';

if (!('isNullOrUndefined' in util)) {
  Object.defineProperty(util, 'isNullOrUndefined', {
    value: (value: unknown): boolean => value === null || value === undefined,
    configurable: true,
    writable: true,
  });
}
