import type { Landmarks } from './landmarks.js';

/** Where the landmarks come to lie in an aligned face. */
export interface FaceTemplate {
  width: number;
  height: number;
  landmarks: Landmarks;
}

export type FaceTemplateName = '112x96' | '112x112';

/** Aligned sizes, height x width. The coordinates are those of SphereFace's and CosFace's public code (112x96) and of
 * ArcFace's (112x112): the same face, 8 pixels further right. */
export const FACE_TEMPLATES: Readonly<Record<FaceTemplateName, FaceTemplate>> = {
  '112x96': {
    width: 96,
    height: 112,
    landmarks: [
      [30.2946, 51.6963],
      [65.5318, 51.5014],
      [48.0252, 71.7366],
      [33.5493, 92.3655],
      [62.7299, 92.2041],
    ],
  },
  '112x112': {
    width: 112,
    height: 112,
    landmarks: [
      [38.2946, 51.6963],
      [73.5318, 51.5014],
      [56.0252, 71.7366],
      [41.5493, 92.3655],
      [70.7299, 92.2041],
    ],
  },
};
