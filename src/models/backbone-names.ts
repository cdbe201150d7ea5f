export const BACKBONES = [
  'sphereface4',
  'sphereface10',
  'sphereface20',
  'sphereface36',
  'sphereface64',
  'mobilefacenet',
  'iresnet18',
  'iresnet50',
] as const;
export type BackboneName = (typeof BACKBONES)[number];
