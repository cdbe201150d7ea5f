import { test } from 'vitest';
import { resumeContest } from '../train/resume-contest.js';
import { describeTensorflow } from './tfjs-node.js';

describeTensorflow('training on the backend tensorflow, killed and resumed', () => {
  test('ends with the bits of an unbroken run', () => resumeContest('tensorflow', { name: 'cosface', margin: 0.2 }));
});
