// The layout of one picture and the brushwork of another: all places where the network's layers can be cut.

import { isReplaced } from './painter.js';
import { mixLayers } from './mixing.js';
import { say, sayError } from './words.js';
import { element, Wall } from './wall.js';

export class LayerMixer {
  constructor(app) {
    this.app = app;
    this.chosen = {};
    const pick = (recipe, frame) => app.pick(recipe, frame);
    this.cuts = new Wall('cuts', app.painter, pick, (recipe) => this.labelOf(recipe));
    for (const part of ['coarse', 'fine']) {
      element(`${part}-it`).onclick = () => {
        app.go('blend');
        this.choose({ ...this.chosen, [part]: app.panel.picked });
      };
    }
  }

  build() {
    this.choose({});
  }

  choose(chosen) {
    this.chosen = chosen;
    for (const part of ['coarse', 'fine']) this.show(part, chosen[part]);
    const { coarse, fine } = chosen,
      { layers } = this.app.model;
    const firsts = coarse && fine ? Array.from({ length: layers }, (_, place) => layers - place) : [];
    return this.cuts.hang(firsts.map((first) => mixLayers(coarse, fine, first)));
  }

  async show(part, recipe) {
    element(part).hidden = !recipe;
    if (!recipe) return;
    try {
      const { url, caption } = await this.app.painter.paint(recipe, { rank: 0 });
      Object.assign(element(part).querySelector('img'), { src: url, alt: caption });
    } catch (error) {
      if (!isReplaced(error)) this.app.tell(sayError(error));
    }
  }

  /** What stands below a cut: from which size of detail on the brushwork is another's. */
  labelOf(recipe) {
    const { first } = recipe.edits.find(({ kind }) => kind === 'layers');
    return say('from-pixels', { pixels: this.app.model.resolution / 2 ** (this.app.model.layers - first) });
  }
}
