// The first page: a wall of pictures from seeds, or near one picture.

import { neighbours, randomSeed } from './mixing.js';
import { captionOf, FIRST_TRUNCATION, SEED_LIMIT, seedRecipe } from './recipe.js';
import { isReplaced } from './painter.js';
import { buildPills, CURATED, markPills } from './pills.js';
import { Complaint, say, sayError, styleWord } from './words.js';
import { element, Wall } from './wall.js';

export const COUNT = 24;
const MAX_HISTORY = 50;

export class PaintPage {
  constructor(app) {
    this.app = app;
    this.style = null; // null: all in turn; CURATED: seeds of all that were chosen
    this.near = null;
    this.past = [];
    this.wall = new Wall('wall', app.painter, (recipe, frame) => app.pick(recipe, frame));
    element('dice').onclick = () =>
      this.remembering(() => {
        element('seed').value = randomSeed();
        this.near = null;
        this.leaveCurated();
      });
    element('undo').onclick = () => this.back();
    element('near-leave').onclick = () =>
      this.remembering(() => {
        this.near = null;
      });
    element('distance').oninput = () => this.repaint();
    for (const id of ['seed', 'shared']) element(id).onchange = () => this.remembering(() => this.leaveCurated());
    element('truncation').oninput = () => this.repaint();
    element('more-like').onclick = () => this.moreLike(app.panel.picked);
  }

  /** The pills of a model's styles. */
  build() {
    const { styles } = this.app.model,
      curated = Boolean(this.app.curated());
    if (!styles.includes(this.style) && !(curated && this.style === CURATED)) this.style = null;
    const choose = (style) =>
      this.remembering(() => {
        this.style = style;
        this.near = null;
      });
    buildPills(element('style'), styles, choose, curated);
  }

  /** Whoever asks for another seed, or layout, wants pictures that nobody chose. */
  leaveCurated() {
    if (this.style === CURATED) this.style = null;
  }

  state() {
    const { style, near } = this;
    return {
      style,
      near,
      seed: element('seed').value,
      truncation: element('truncation').value,
      shared: element('shared').checked,
    };
  }

  remembering(change) {
    this.past = [...this.past, this.painted].slice(-MAX_HISTORY);
    change();
    return this.repaint();
  }

  back() {
    const state = this.past.pop();
    if (state) this.set(state);
  }

  set({ style, near = null, seed, truncation = FIRST_TRUNCATION, shared = false }) {
    Object.assign(this, { style, near });
    element('seed').value = seed;
    element('truncation').value = truncation;
    element('shared').checked = shared;
    return this.repaint();
  }

  recipes() {
    const first = Number(element('seed').value),
      text = element('seed').value.trim();
    if (!/^\d{1,10}$/.test(text) || first >= SEED_LIMIT) throw new Complaint('no-seed', { found: text.slice(0, 40) });
    const truncation = Number(element('truncation').value),
      seeds = Array.from({ length: COUNT }, (_, place) => (first + place) % SEED_LIMIT);
    if (this.near) {
      const others = neighbours(
        this.near,
        Number(element('distance').value),
        seeds.slice(1).map((seed) => (seed * 2654435761) % SEED_LIMIT),
      );
      return [this.near, ...others];
    }
    if (this.style === CURATED) return this.curatedRecipes(truncation);
    const { model } = this.app,
      turns = this.style === null ? model.styles : [this.style],
      shared = element('shared').checked;
    return seeds.map((seed, place) => {
      const style = turns[place % turns.length];
      return seedRecipe(model, { [style]: 1 }, seed, truncation, shared ? null : style);
    });
  }

  /** The best seed of each style in turn, then the second of each, and so on. */
  curatedRecipes(truncation) {
    const { model } = this.app,
      { seeds } = this.app.curated(),
      most = Math.max(...model.styles.map((style) => seeds[style].length)),
      places = Array.from({ length: most }, (_, place) => place),
      chosen = places.flatMap((place) =>
        model.styles.filter((style) => place < seeds[style].length).map((style) => [style, seeds[style][place]]),
      );
    return chosen.slice(0, COUNT).map(([style, seed]) => seedRecipe(model, { [style]: 1 }, seed, truncation, style));
  }

  async repaint() {
    try {
      const recipes = this.recipes();
      this.painted = this.state();
      this.mark();
      this.app.hush(this);
      await this.wall.hang(recipes);
    } catch (error) {
      if (!isReplaced(error)) this.app.tell(sayError(error), this);
    }
  }

  async mark() {
    markPills(element('style'), this.style);
    element('undo').disabled = !this.past.length;
    element('near-bar').hidden = !this.near;
    const curated = this.style === CURATED && !this.near;
    element('curated-how').hidden = !curated;
    element('curated-how').textContent = curated ? say('curated-how', { drawn: this.app.curated().drawn }) : '';
    if (this.near) element('near-news').textContent = say('near', { name: await captionOf(this.near, styleWord, say) });
  }

  moreLike(recipe) {
    this.app.go('paint');
    return this.remembering(() => {
      this.near = recipe;
    });
  }
}
