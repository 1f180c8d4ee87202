// A page to steer a picture: a slider for each direction of the model that has a name.

import { steer } from './mixing.js';
import { isReplaced } from './painter.js';
import { directionWord, sayError } from './words.js';
import { element } from './wall.js';
import { slider } from './sliders.js';

const SLIDERS = 8,
  RANGE = 2;

export class SteerPage {
  constructor(app) {
    this.app = app;
    this.base = null;
    this.amounts = {};
    element('steer-it').onclick = () => {
      this.put(app.panel.picked);
      app.go('steer');
    };
    element('steer-reset').onclick = () => {
      this.amounts = {};
      this.build();
      this.turn();
    };
  }

  build() {
    const names = this.app.model.directions?.names.slice(0, SLIDERS) ?? [];
    element('wheel')
      .querySelector('.sliders')
      .replaceChildren(
        ...names.map((name) =>
          slider(directionWord(name), this.amounts[name] ?? 0, [-RANGE, RANGE, 0.05], (value) => {
            this.amounts[name] = value;
            this.turn();
          }),
        ),
      );
  }

  /** Take a picture to steer, its sliders where they stood. */
  put(recipe) {
    this.amounts = Object.fromEntries(
      recipe.edits.filter(({ kind }) => kind === 'direction').map(({ name, amount }) => [name, amount]),
    );
    this.base = steer(recipe, {}, '');
    this.build();
    this.fill('before', this.base);
    return this.turn();
  }

  async turn() {
    if (!this.base) return;
    const recipe = steer(this.base, this.amounts, this.app.model.directions.sha256);
    this.turned = recipe;
    this.app.painter.forget(this);
    if ((await this.fill('after', recipe)) && this.turned === recipe) this.app.panel.show(recipe, { large: false });
  }

  async fill(id, recipe) {
    const image = element(id).querySelector('img');
    try {
      const { url, caption } = await this.app.painter.paint(recipe, { owner: this, rank: 0 });
      if (id === 'after' && this.turned !== recipe) return false;
      image.src = url;
      image.alt = caption;
      return true;
    } catch (error) {
      if (!isReplaced(error)) this.app.tell(sayError(error));
      return false;
    }
  }

  shown() {
    const recipe = this.app.panel.picked ?? this.app.paintPage.wall.recipes[0];
    if (!this.base && recipe) this.put(recipe);
  }
}
