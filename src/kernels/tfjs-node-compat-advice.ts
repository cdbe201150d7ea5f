import util from 'node:util';

/** Whether this Node lacks what tfjs-node 4.22 calls, so that nearly every op of its backend would throw. */
export function needsTfjsNodeCompat(): boolean {
  return !('isNullOrUndefined' in util);
}

/** Why a program on Node 23 or later cannot use tfjs-node 4.22, and what to do. */
export function tfjsNodeCompatAdvice(node: string = process.versions.node): string {
  return (
    `@tensorflow/tfjs-node 4.22 does not work on Node ${node}: it calls util.isNullOrUndefined, which Node removed in ` +
    'version 23 (TensorFlow.js issue 8609; the fix, pull request 8425, has not been released).\n' +
    "  Start the program with `node --import cosface/tfjs-node-compat app.js`, or make `import 'cosface/tfjs-node-compat'`\n" +
    '  its first line: it restores that one function. Node 22 needs nothing.'
  );
}
