import type { FlipPooling } from '../models/model-description.js';

/** `separate`: features of the mirror images by themselves, for protocols that join the two in several ways. */
export type FlipRule = FlipPooling | 'separate';

export const FLIP_RULES: readonly FlipRule[] = ['none', 'concatenate', 'add', 'separate'];
