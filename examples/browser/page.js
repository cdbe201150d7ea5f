import { cosine, featuresOf, loadFaceModel } from './face-model.js';

const SIDES = ['left', 'right'];
const find = (id) => document.getElementById(id);
/** By side, once a photo is chosen. */
const features = {};

function say(text, state = 'ready') {
  const answer = find('answer');
  answer.dataset.state = state;
  answer.textContent = text;
}

/** Draws a photo at the size that the model wants. */
async function draw(file, canvas) {
  const image = await createImageBitmap(file);
  canvas.getContext('2d', { willReadFrequently: true }).drawImage(image, 0, 0, canvas.width, canvas.height);
  image.close();
}

function answer({ threshold }) {
  const score = cosine(features.left, features.right);
  if (!threshold) return `Score ${score.toFixed(4)}. The model has no threshold, so nothing is decided.`;
  const { cosine: least, falseAcceptRate, trueAcceptRate, data } = threshold;
  return [
    `Score ${score.toFixed(4)}: ${score >= least ? 'the same person' : 'two people'}.`,
    `Threshold ${least.toFixed(4)}: it accepted at most ${100 * falseAcceptRate} % of the pairs of two people`,
    `and ${(100 * trueAcceptRate).toFixed(1)} % of those of one, on ${data}.`,
  ].join('\n');
}

async function choose(model, side) {
  const [file] = find(side).files;
  if (!file) return;
  say('Looking ...', 'busy');
  try {
    await draw(file, find(`${side}-face`));
    features[side] = await featuresOf(model, find(`${side}-face`));
    if (SIDES.every((each) => features[each])) say(answer(model.description), 'answered');
    else say('And the other one.');
  } catch (error) {
    delete features[side];
    say(`${file.name} cannot be used: ${error.message}`, 'error');
  }
}

async function start() {
  const folder = new URLSearchParams(location.search).get('model') ?? 'model';
  try {
    const model = await loadFaceModel(folder);
    const { width, height } = model.description.input;
    for (const side of SIDES) {
      Object.assign(find(`${side}-face`), { width, height });
      find(side).addEventListener('change', () => choose(model, side));
      find(side).disabled = false;
    }
    say(`Choose two faces, ${width} x ${height} pixels.`);
  } catch (error) {
    say(`No model in '${folder}': ${error.message}. Give its folder as ?model=...`, 'error');
  }
}

await start();
