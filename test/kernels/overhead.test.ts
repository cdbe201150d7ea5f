import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { describeNative } from './native-addon.js';

describeNative('the cost of a call', () => {
  test('a tiny cosFaceLoss on cpu takes less than 20 microseconds', { retry: 4 }, () => {
    const program = fileURLToPath(new URL('./overhead-program.mjs', import.meta.url));
    const printed = execFileSync(process.execPath, [program], { encoding: 'utf8' });
    const microseconds = Number(printed.trim().split('\n').at(-1));
    console.log(`cosFaceLoss, N 4, C 3, D 8, cpu: ${microseconds} us`);
    expect(microseconds).toBeGreaterThan(0);
    expect(microseconds).toBeLessThan(20);
  });
});
