// A page to mix the model's styles: a slider is a share.

import { convex, randomSeed } from './mixing.js';
import { FIRST_SEED, FIRST_TRUNCATION, SEED_LIMIT, seedRecipe } from './recipe.js';
import { isReplaced } from './painter.js';
import { sayError, styleWord } from './words.js';
import { element, make, Wall } from './wall.js';
import { slider } from './sliders.js';

const COUNT = 12;

export class BlendPage {
  constructor(app) {
    this.app = app;
    this.seed = FIRST_SEED;
    this.shares = {};
    this.wall = new Wall('blend-wall', app.painter, (recipe, frame) => app.pick(recipe, frame));
    element('blend-dice').onclick = () => {
      this.seed = randomSeed();
      this.repaint();
    };
    element('blend-truncation').oninput = () => this.repaint();
    element('even').onclick = () => this.mix(Object.fromEntries(this.app.model.styles.map((style) => [style, 0.5])));
    element('surprise').onclick = () => this.surprise();
  }

  build() {
    const { styles } = this.app.model;
    this.shares = Object.fromEntries(Object.entries(this.shares).filter(([style]) => styles.includes(style)));
    if (!styles.some((style) => this.shares[style] > 0))
      this.shares = Object.fromEntries(styles.slice(-2).map((style) => [style, 0.5]));
    element('mixer')
      .querySelector('.sliders')
      .replaceChildren(
        ...styles.map((style) =>
          slider(styleWord(style), this.shares[style] ?? 0, [0, 1, 0.01], (value) => {
            this.shares[style] = value;
            this.repaint();
          }),
        ),
      );
  }

  mix(shares, seed = this.seed, truncation = null) {
    Object.assign(this, { shares, seed });
    if (truncation !== null) element('blend-truncation').value = truncation;
    this.build();
    return this.repaint();
  }

  surprise() {
    const styles = [...this.app.model.styles]
      .sort(() => Math.random() - 0.5)
      .slice(0, 2 + Math.floor(3 * Math.random()));
    this.mix(Object.fromEntries(styles.map((style) => [style, Math.round(100 * (0.15 + 0.85 * Math.random())) / 100])));
  }

  async repaint() {
    if (element('page-blend').hidden) return;
    try {
      const weights = convex(this.shares),
        truncation = Number(element('blend-truncation').value || FIRST_TRUNCATION);
      const words = Object.entries(weights)
        .sort((one, other) => other[1] - one[1])
        .flatMap(([style, share], place) => [
          place ? ' + ' : '',
          make('strong', { textContent: `${Math.round(100 * share)}%` }),
          ` ${styleWord(style)}`,
        ]);
      element('shares').replaceChildren(...words);
      this.app.hush(this);
      await this.wall.hang(
        Array.from({ length: COUNT }, (_, place) =>
          seedRecipe(this.app.model, weights, (this.seed + place) % SEED_LIMIT, truncation),
        ),
      );
    } catch (error) {
      if (!isReplaced(error)) this.app.tell(sayError(error), this);
    }
  }

  shown() {
    return this.repaint();
  }
}
