// The painter's own thread: it loads a model and paints from recipes, so that the page never waits.

import { encodePng } from './png.js';
import { fetchModel } from './model.js';
import { toJson } from './recipe.js';
import { rowsOf, walkRows } from './rows.js';
import { Complaint } from './words.js';

let ort,
  mapping,
  synthesis,
  model,
  keyframes = [],
  walked = null; // the recipes that they are of

const acts = { open, paint, pixels, frame };

async function open({ model: manifest, provider, threads, runtime }) {
  ort = await import(new URL(`ort.${provider}.js`, runtime)).catch(() => {
    throw new Complaint('no-network', { found: `ort.${provider}.js` });
  });
  const engine = provider === 'webgpu' ? 'ort-wasm-simd-threaded.asyncify' : 'ort-wasm-simd-threaded';
  ort.env.wasm.wasmPaths = {
    mjs: new URL(`${engine}.js`, runtime).href,
    wasm: new URL(`${engine}.wasm`, runtime).href,
  };
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = 'error';
  const files = await fetchModel(manifest, (done, all) => postMessage({ progress: { done, all } }));
  mapping = await ort.InferenceSession.create(files.mapping, { executionProviders: ['wasm'] });
  synthesis = await ort.InferenceSession.create(files.synthesis, { executionProviders: [provider] });
  model = { ...manifest, directions: files.directions };
  return { directions: files.directions && { names: files.directions.names, sha256: files.directions.sha256 } };
}

async function map(z, styleVector) {
  const answer = await mapping.run({
    z: new ort.Tensor('float32', z, [1, z.length]),
    style_weights: new ort.Tensor('float32', styleVector, [1, styleVector.length]),
  });
  return { w: Float32Array.from(answer.w.data), mean: answer.mean_w.data };
}

/** Levels of 255, RGBA, of the picture of `w`. */
async function synthesise(w) {
  const rows = new ort.Tensor('float32', w, [1, model.layers + 1, model.latentSize]);
  const { pictures } = await synthesis.run({ w: rows });
  const colours = await pictures.getData(),
    pixels = model.resolution ** 2;
  const levels = new Uint8ClampedArray(4 * pixels); // which rounds and clamps
  for (let place = 0; place < pixels; place++) {
    for (let colour = 0; colour < 3; colour++)
      levels[4 * place + colour] = (colours[colour * pixels + place] + 1) * 127.5;
    levels[4 * place + 3] = 255;
  }
  return levels;
}

async function paint({ recipe }) {
  const begun = performance.now();
  const levels = await synthesise(await rowsOf(model, map, recipe));
  const milliseconds = performance.now() - begun;
  return { png: await encodePng(levels, model.resolution, toJson(recipe)), milliseconds };
}

async function pixels({ recipe }) {
  const begun = performance.now();
  const levels = await synthesise(await rowsOf(model, map, recipe));
  return { levels, milliseconds: performance.now() - begun };
}

/** A frame of a walk; its keyframes are kept for the next one. */
async function frame({ recipes, number, frames, loop, smooth }) {
  const key = JSON.stringify(recipes);
  if (walked !== key) {
    keyframes = [];
    for (const recipe of recipes) keyframes.push(await rowsOf(model, map, recipe));
    walked = key;
  }
  const w = walkRows(keyframes, number, frames, model.latentSize, loop, smooth);
  return { levels: await synthesise(w) };
}

let last = Promise.resolve(); // one at a time: a session runs once at once

onmessage = ({ data: { id, act, ...asked } }) => {
  last = last.then(async () => {
    try {
      const answer = await acts[act](asked);
      postMessage({ id, answer }, answer.levels ? [answer.levels.buffer] : []);
    } catch (error) {
      postMessage({ id, error: { message: error.message, key: error.key, values: error.values } });
    }
  });
};
