// New recipes from old ones, as artmodels/generate/mixing.py makes them: neighbours, children, steered pictures.

import { MAX_EDITS, SEED_LIMIT } from './recipe.js';
import { Complaint } from './words.js';

export const MIN_PARENTS = 2,
  MAX_PARENTS = 4;
const MAX_ANCESTORS = 24,
  MAX_FOUND = 4,
  SMALLEST_WEIGHT = 0.01,
  SMALLEST_SHARE = 0.005;
const short = (number) => Math.round(number * 1e4) / 1e4;

export const randomSeed = (below = 100_000) => Math.floor(Math.random() * below);

/** Pictures near one: `distance` 0 is the picture itself, 1 shares only its style. */
export function neighbours(recipe, distance, seeds) {
  const near = Math.cos((distance * Math.PI) / 2),
    far = Math.sin((distance * Math.PI) / 2);
  const old = normalised(recipe.latents).map((latent) => ({ ...latent, weight: latent.weight * near }));
  return seeds.map((seed) => without({ ...recipe, latents: collect([...old, { seed, weight: far }]) }));
}

/** Children of two to four pictures: shares of their latents and styles by lot, and `mutation` of something new. */
export function children(parents, count, mutation) {
  if (parents.length < MIN_PARENTS) throw new Complaint('too-few-parents', { found: parents.length });
  return Array.from({ length: count }, () => child(parents, mutation));
}

function child(parents, mutation) {
  const drawn = parents.map(() => -Math.log(1 - Math.random())); // evenly from all shares that sum to 1
  const total = drawn.reduce((sum, part) => sum + part, 0);
  const shares = drawn.map((part) => part / total);
  const near = Math.cos((mutation * Math.PI) / 2),
    far = Math.sin((mutation * Math.PI) / 2);
  const mixed = parents.flatMap((parent, place) =>
    normalised(parent.latents).map((latent) => ({ ...latent, weight: latent.weight * shares[place] })),
  );
  const collected = collect(mixed);
  const latents = normalised(collected.length ? collected : mixed.slice(0, 1)).map((latent) => ({
    ...latent,
    weight: latent.weight * near,
  }));
  const styles = {};
  parents.forEach((parent, place) => {
    for (const [style, share] of Object.entries(parent.style_weights))
      styles[style] = (styles[style] ?? 0) + shares[place] * share;
  });
  return without({
    ...byLot(parents, shares),
    latents: collect([...latents, { seed: randomSeed(SEED_LIMIT), weight: far }]),
    style_weights: convex(styles),
    truncation: short(parents.reduce((sum, parent, place) => sum + shares[place] * parent.truncation, 0)),
    edits: inheritedEdits(parents, shares),
  });
}

function byLot(parents, shares) {
  let rest = Math.random();
  return parents.find((_, place) => (rest -= shares[place]) < 0) ?? parents[0];
}

function inheritedEdits(parents, shares) {
  const amounts = new Map();
  parents.forEach((parent, place) => {
    for (const edit of parent.edits.filter(({ kind }) => kind === 'direction')) {
      const key = JSON.stringify([edit.name, edit.sha256]);
      amounts.set(key, (amounts.get(key) ?? 0) + shares[place] * edit.amount);
    }
  });
  const layers = byLot(parents, shares).edits.filter(({ kind }) => kind === 'layers');
  const shifts = [...amounts].map(([key, amount]) => shift(...JSON.parse(key), amount));
  return [...layers, ...shifts].slice(0, MAX_EDITS);
}

const shift = (name, sha256, amount) => ({ name, amount: short(amount), sha256, kind: 'direction' });

/** The edit that gives a picture the rows of `w` of another from row `first` on. */
export const layersOf = ({ latents, style_weights }, first) => ({ first, latents, style_weights, kind: 'layers' });

/** The picture `coarse` with the latents and styles of `fine` from row `first` of `w` on. */
export function mixLayers(coarse, fine, first) {
  const kept = coarse.edits.filter(({ kind }) => kind !== 'layers');
  return { ...coarse, edits: [layersOf(fine, first), ...kept].slice(0, MAX_EDITS) };
}

/** The picture moved along named directions, instead of whatever it was moved along before. */
export function steer(recipe, amounts, sha256) {
  const layers = recipe.edits.filter(({ kind }) => kind === 'layers');
  const shifts = Object.entries(amounts)
    .filter(([, amount]) => amount)
    .map(([name, amount]) => shift(name, sha256, amount));
  return { ...recipe, edits: [...layers, ...shifts] };
}

/** The same recipe without what is said of a picture that its latent was found for. */
function without({ projection, ...recipe }) {
  return recipe;
}

function normalised(latents) {
  const length = Math.sqrt(latents.reduce((sum, { weight }) => sum + weight ** 2, 0));
  return latents.map((latent) => ({ ...latent, weight: latent.weight / length }));
}

/** Each seed and each found latent once, the heaviest first, without those that hardly count. */
function collect(latents) {
  const weights = new Map();
  for (const { weight, ...latent } of latents) {
    const key = JSON.stringify([latent.seed, latent.rows ?? null, latent.of ?? null]);
    weights.set(key, { latent, weight: (weights.get(key)?.weight ?? 0) + weight });
  }
  const heaviest = [...weights.values()].sort((one, other) => Math.abs(other.weight) - Math.abs(one.weight));
  const surplus = heaviest.filter(({ latent }) => latent.rows !== undefined).slice(MAX_FOUND);
  return heaviest
    .filter((each) => !surplus.includes(each))
    .slice(0, MAX_ANCESTORS)
    .filter(({ weight }) => Math.abs(weight) >= SMALLEST_WEIGHT)
    .map(({ latent: { seed, ...rest }, weight }) => ({ seed, weight: short(weight), ...rest }));
}

/** Style weights that sum to 1, without those that hardly count. */
export function convex(weights) {
  const total = (shares) => shares.reduce((sum, [, share]) => sum + share, 0);
  let shares = Object.entries(weights);
  if (total(shares) < 1e-9) throw new Complaint('all-zero');
  const whole = total(shares);
  const counting = shares.filter(([, share]) => share / whole >= SMALLEST_SHARE);
  shares = counting.length ? counting : shares;
  const rest = total(shares);
  const rounded = shares.map(([style, share]) => [style, short(share / rest)]);
  const largest = rounded.reduce((best, each) => (each[1] > best[1] ? each : best));
  largest[1] = short(largest[1] + 1 - total(rounded));
  return Object.fromEntries(rounded);
}
