// A page to breed pictures: two to four parents, and children that inherit shares of all of them.

import { children, MAX_PARENTS, MIN_PARENTS } from './mixing.js';
import { toJson } from './recipe.js';
import { say, sayError } from './words.js';
import { element, Wall } from './wall.js';

const LITTER = 12;

export class BreedPage {
  constructor(app) {
    this.app = app;
    this.chosen = [];
    this.parents = new Wall('parents', app.painter, (recipe, frame) => app.pick(recipe, frame));
    this.litter = new Wall('litter', app.painter, (recipe, frame) => app.pick(recipe, frame));
    element('have-children').onclick = () => this.breed();
    element('clear-parents').onclick = () => this.choose([]);
    element('breed-it').onclick = () => this.add(app.panel.picked);
  }

  build() {
    this.choose([]);
    this.litter.hang([]);
  }

  choose(recipes) {
    this.chosen = recipes;
    return this.parents.hang(recipes, 0.5);
  }

  /** One parent more; the visitor stays with the pictures until there are enough for children. */
  add(recipe) {
    const known = this.example ? [] : this.chosen;
    if (this.example) this.litter.hang([]);
    this.example = false;
    if (known.some((each) => toJson(each) === toJson(recipe))) return;
    if (known.length >= MAX_PARENTS) {
      this.app.tell(say('too-many-parents', { most: MAX_PARENTS }));
      return;
    }
    this.choose([...known, recipe]);
    if (this.chosen.length < MIN_PARENTS) {
      this.app.tell(say('one-more-parent'));
      return;
    }
    this.app.go('breed');
    this.breed();
  }

  breed() {
    try {
      this.app.tell('');
      return this.litter.hang(children(this.chosen, LITTER, Number(element('mutation').value)));
    } catch (error) {
      this.app.tell(sayError(error));
    }
  }

  /** Whoever comes before any parent is chosen finds two of the wall, with their children. */
  shown() {
    const hanging = this.app.paintPage.wall.recipes;
    if (this.chosen.length || hanging.length < 8) return;
    this.example = true;
    this.choose([hanging[0], hanging[7]].slice(0, MIN_PARENTS));
    this.breed();
  }
}
