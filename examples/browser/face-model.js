/* global tf */

/** Pixels to a net's input: (value - 127.5) / divisor. */
const DIVISORS = { cosface: 128, insightface: 127.5 };

/**
 * Loads a folder that cosface wrote: `model.json` and its weights, which are plain TensorFlow.js, and `cosface.json`,
 * which says how they are to be used.
 */
export async function loadFaceModel(folder) {
  const response = await fetch(`${folder}/cosface.json`);
  if (!response.ok) throw new Error(`${folder}/cosface.json: ${response.status} ${response.statusText}`);
  const description = await response.json();
  return { description, net: await tf.loadLayersModel(`${folder}/model.json`) };
}

/** The features of the face on a canvas that has the model's size, with those of its mirror image as the model has it. */
export async function featuresOf({ net, description }, canvas) {
  const { input, embedding } = description;
  const features = tf.tidy(() => {
    const pixels = tf.browser
      .fromPixels(canvas)
      .toFloat()
      .sub(127.5)
      .mul(1 / DIVISORS[input.normalisation]);
    const face = pixels.expandDims(0);
    const plain = net.predict(face);
    if (embedding.flip === 'none') return plain;
    const mirrored = net.predict(face.reverse(2));
    return embedding.flip === 'add' ? plain.add(mirrored) : tf.concat([plain, mirrored], 1);
  });
  const values = await features.data();
  features.dispose();
  return values;
}

/** 1: the same direction; 0 where one of them is zero. */
export function cosine(a, b) {
  let [cross, squareA, squareB] = [0, 0, 0];
  for (let k = 0; k < a.length; k++) {
    cross += a[k] * b[k];
    squareA += a[k] * a[k];
    squareB += b[k] * b[k];
  }
  return squareA === 0 || squareB === 0 ? 0 : cross / Math.sqrt(squareA * squareB);
}
