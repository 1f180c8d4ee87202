// Which pictures the page Live shows: a slow walk from seed to seed, and where sounds push each of its pictures. All of
// them are recipes, so the worker paints them like any others.

import { layersOf, neighbours, randomSeed } from './mixing.js';
import { FIRST_TRUNCATION, SEED_LIMIT, seedRecipe } from './recipe.js';

const PUSHES = [0.8, 1.7, 1.7], // of the way to a seed that has nothing of the picture, and for fine rows past it
  FIRST_PUSH = 1009; // seeds of what is pushed to, apart from those of the walk

/** Rows of `w` for low, mid and high, as artmodels/generate/compose.py has them: the first and the last. */
export function rowsOfBands(layers) {
  const first = Math.max(1, Math.floor(layers / 3)),
    second = Math.max(1, Math.floor((2 * layers) / 3));
  return [
    [0, first],
    [1, second],
    [Math.min(first + 1, layers), layers],
  ];
}

/** A picture with the rows from `first` to `last` of another. */
export function withRows(recipe, other, [first, last], layers) {
  const edits = first > 0 ? [layersOf(other, first)] : [];
  if (last < layers) edits.push(layersOf(recipe, last + 1));
  return { ...(first > 0 ? recipe : other), edits };
}

export class LiveWalk {
  /** Through these styles in turn, from a seed by lot unless one is given. */
  constructor(model, styles, seed = randomSeed()) {
    Object.assign(this, { model, styles, seed });
    this.place = 0; // in pictures
  }

  home(number) {
    const style = this.styles[number % this.styles.length],
      seed = (this.seed + number) % SEED_LIMIT;
    return seedRecipe(this.model, { [style]: 1 }, seed, FIRST_TRUNCATION, style);
  }

  /** The picture of now: from home to home along great circles. */
  here() {
    const number = Math.floor(this.place),
      share = this.place - number,
      angle = (share * Math.PI) / 2;
    const [start, end] = [this.home(number), this.home(number + 1)],
      weights = {};
    if (!share) return start;
    for (const [{ style_weights: styles }, part] of [
      [start, 1 - share],
      [end, share],
    ])
      for (const style of Object.keys(styles)) weights[style] = (weights[style] ?? 0) + part;
    const latents = [
      { ...start.latents[0], weight: Math.cos(angle) },
      { ...end.latents[0], weight: Math.sin(angle) },
    ];
    return { ...start, latents, style_weights: weights };
  }

  /** The recipe of now, and one for each band: the lower the sound, the coarser what it pushes. */
  scene() {
    const base = this.here(),
      { layers } = this.model;
    const pushed = rowsOfBands(layers).map((rows, band) => {
      const [other] = neighbours(base, PUSHES[band], [(this.seed + FIRST_PUSH * (band + 1)) % SEED_LIMIT]);
      return withRows(base, other, rows, layers);
    });
    return [base, ...pushed];
  }
}
