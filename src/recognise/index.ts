export type { DecisionThreshold } from './decision.js';
export { type EmbeddedFaces, type EmbedFacesOptions, embedFaces } from './embed-faces.js';
export { embedPhotos, type PhotoOptions } from './embed-photos.js';
export { type EmbeddedFiles, type EmbedToFilesOptions, embedToFiles } from './embed-to-files.js';
export type { FlipRule } from './flip-rule.js';
export { embedGallery, type Gallery } from './gallery.js';
export { type IdentifiedFace, type IdentifyOptions, identifyFaces, type Match } from './identify-faces.js';
export { readGallery } from './read-gallery.js';
export { type Verification, type VerifyOptions, verifyFaces } from './verify-faces.js';
