import { createHash } from 'node:crypto';
import type { FaceSet } from '../data/face-set.js';
import { openFaces } from '../data/open-faces.js';
import { holdOut } from '../data/select-identities.js';
import { settingsError, type TrainSettings } from './train-settings.js';
import { openVerification, type VerificationData, verificationOf } from './verification.js';

/** The images of a run, by what they are for. No identity has two roles. */
export interface TrainingData {
  train: FaceSet;
  /** Looked at as training goes on. */
  verification: VerificationData | undefined;
  /** Looked at once, at the end. */
  test: VerificationData | undefined;
  /** What opening noticed. */
  notes: readonly string[];
  /** Of the names and identities of the images to train on: a resumed run must have the same. */
  fingerprint: string;
  close(): Promise<void>;
}

/**
 * Opens the images and parts the identities by the seed.
 *
 * @throws {CosFaceError} What opening throws; COSFACE_DATA or COSFACE_SETTINGS where too few images or people are left.
 */
export async function openTrainingData(settings: TrainSettings): Promise<TrainingData> {
  const { data, verification, batch } = settings;
  const seed = verification.seed ?? settings.seed;
  const all = await openFaces(data.path, data.root === undefined ? {} : { root: data.root });
  try {
    // Other images take the place of held-out ones.
    const share = verification.path === undefined ? verification.share : 0;
    const shares = [share, verification.testShare];
    const { train, held } = holdOut(all, { shares, minimumImages: data.minimumImages, seed });
    if (train.size < batch.size) {
      const text = `there are ${train.size} images to train on, fewer than batch.size, which is ${batch.size}.`;
      throw settingsError(data.path, text);
    }
    const options = { pairsPerIdentity: verification.pairsPerIdentity, seed };
    const part = (number: number, name: string) =>
      (shares[number] as number) === 0
        ? undefined
        : verificationOf(
            held[number] as FaceSet,
            `${name} (${(held[number] as FaceSet).identities.length} people)`,
            options,
          );
    const other = verification.path === undefined ? undefined : await openVerification(verification.path, options);
    return {
      train,
      verification: other ?? part(0, 'people held out of training'),
      test: part(1, 'people held out until the end'),
      notes: all.notes,
      fingerprint: fingerprintOf(train),
      close: async () => {
        await all.close();
        await other?.faces.close();
      },
    };
  } catch (error) {
    await all.close();
    throw error;
  }
}

function fingerprintOf({ size, identities, labels, nameOf }: FaceSet): string {
  const hash = createHash('sha256').update(JSON.stringify(identities));
  for (let index = 0; index < size; index++) hash.update(`${labels[index]} ${nameOf(index)}\n`);
  return hash.digest('hex');
}
