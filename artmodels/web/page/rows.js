// From a recipe to the rows of `w` that it is painted from, as artmodels/generate/sampling.py has them; and walks.

import { crc32, encodeText } from './bytes.js';
import { normals } from './normal.js';
import { SEED_LIMIT, unpackRows } from './recipe.js';
import { Complaint } from './words.js';

/** The latent of a seed, `size` numbers; with the name of a style, the one that the seed has in this style alone. */
export function drawLatent(seed, size, of) {
  const further = of === undefined ? 0 : crc32(encodeText(of));
  return normals((seed + further) % SEED_LIMIT, size);
}

function ownLatent(latent, size) {
  if (latent.rows === undefined) return drawLatent(latent.seed, size, latent.of);
  return foundRows(latent, size).subarray(0, size);
}

function foundRows(latent, size) {
  const numbers = unpackRows(latent.rows);
  if (numbers.length % size) throw new Complaint('found-with-another');
  return numbers;
}

const lengthOf = (numbers) => Math.sqrt(numbers.reduce((sum, number) => sum + number * number, 0));

/** The weighted sum of a recipe's latents, back at unit variance. */
export function mixLatents(latents, size) {
  const mixed = new Float64Array(size),
    length = lengthOf(latents.map(({ weight }) => weight));
  for (const latent of latents) {
    const own = ownLatent(latent, size);
    for (let place = 0; place < size; place++) mixed[place] += latent.weight * own[place];
  }
  return Float32Array.from(mixed, (number) => number / length);
}

/** What found latents add to rows 1 and up. */
function addOffsets(w, latents, { layers, latentSize: size }) {
  const length = lengthOf(latents.map(({ weight }) => weight));
  for (const latent of latents.filter(({ rows }) => rows !== undefined)) {
    const rows = foundRows(latent, size),
      count = rows.length / size;
    if (count !== 1 && count !== layers + 1) throw new Complaint('found-with-another');
    for (let place = size; place < rows.length; place++) w[place] += (latent.weight / length) * rows[place];
  }
}

function styleVector(weights, styles) {
  const vector = new Float32Array(styles.length);
  for (const [style, share] of Object.entries(weights)) {
    const place = styles.indexOf(style);
    if (place < 0) throw new Complaint('no-style', { found: `'${style.slice(0, 80)}'`, styles: styles.join(', ') });
    vector[place] = share;
  }
  return vector;
}

async function baseRows(model, map, latents, weights, truncation) {
  const size = model.latentSize;
  const { w, mean } = await map(mixLatents(latents, size), styleVector(weights, model.styles));
  if (truncation !== 1) {
    for (let place = size; place < w.length; place++) {
      const middle = mean[place % size];
      w[place] = middle + truncation * (w[place] - middle);
    }
  }
  addOffsets(w, latents, model);
  return w;
}

/** The `w` of a recipe, (layers + 1) * latentSize numbers; `map` is the mapping network. */
export async function rowsOf(model, map, recipe) {
  const size = model.latentSize;
  const w = await baseRows(model, map, recipe.latents, recipe.style_weights, recipe.truncation);
  for (const edit of recipe.edits) {
    if (edit.kind === 'layers') {
      if (edit.first > model.layers) throw new Complaint('no-block', { found: edit.first, layers: model.layers });
      const fine = await baseRows(model, map, edit.latents, edit.style_weights, recipe.truncation);
      w.set(fine.subarray(edit.first * size), edit.first * size);
    } else {
      const vector = directionOf(model.directions, edit);
      for (let place = 0; place < w.length; place++) w[place] += edit.amount * vector[place];
    }
  }
  return w;
}

function directionOf(directions, edit) {
  const place = directions ? directions.names.indexOf(edit.name) : -1;
  if (place < 0) throw new Complaint('no-direction', { found: edit.name });
  if (edit.sha256 !== directions.sha256) throw new Complaint('direction-changed', { found: edit.name });
  return directions.vectors[place];
}

// Walks: artmodels/generate/film.py

/** The `w` of one frame of a walk through keyframes; row 0 goes along great circles, the others straight. */
export function walkRows(keyframes, frame, frames, size, loop, smooth) {
  const stretches = loop ? keyframes.length : keyframes.length - 1;
  const place = (frame * stretches) / (loop ? frames : frames - 1);
  const first = Math.min(Math.floor(place), stretches - 1);
  const share = smooth ? (1 - Math.cos(Math.PI * (place - first))) / 2 : place - first;
  const start = keyframes[first],
    end = keyframes[(first + 1) % keyframes.length];
  const w = Float32Array.from(start, (number, at) => number + share * (end[at] - number));
  w.set(greatCircle(start.subarray(0, size), end.subarray(0, size), share));
  return w;
}

/** A point on the shorter way between two (spherical linear interpolation, Shoemake 1985). */
function greatCircle(start, end, share) {
  const first = lengthOf(start),
    last = lengthOf(end);
  const here = Array.from(start, (number) => number / Math.max(first, 1e-12));
  const there = Array.from(end, (number) => number / Math.max(last, 1e-12));
  const cosine = dot(here, there);
  let sideways = there.map((number, place) => number - cosine * here[place]);
  const sine = lengthOf(sideways);
  if (sine <= 1e-6) sideways = across(here);
  const length = Math.max(lengthOf(sideways), 1e-12),
    angle = share * Math.atan2(sine, cosine);
  const radius = first + share * (last - first);
  return here.map(
    (number, place) => radius * (Math.cos(angle) * number + (Math.sin(angle) * sideways[place]) / length),
  );
}

const dot = (one, other) => one.reduce((sum, number, place) => sum + number * other[place], 0);

function across(here) {
  const least = here.reduce((best, number, place) => (Math.abs(number) < Math.abs(here[best]) ? place : best), 0);
  return here.map((number, place) => (place === least ? 1 : 0) - here[least] * number);
}
