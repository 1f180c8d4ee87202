// Pictures side by side, each a button with its name; they come in as they are painted.

import { captionOf, toJson } from './recipe.js';
import { isReplaced } from './painter.js';
import { say, sayError, styleWord } from './words.js';

export const element = (id) => document.getElementById(id);

/** A new element with properties and children. */
export function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export class Wall {
  constructor(id, painter, pick, labelOf = (recipe) => captionOf(recipe, styleWord, say)) {
    this.labelOf = labelOf;
    this.place = element(id);
    this.painter = painter;
    this.recipes = [];
    this.place.addEventListener('click', (event) => {
      const frame = event.target.closest('.frame');
      if (frame) pick(frame.recipe, frame);
    });
  }

  get frames() {
    return [...this.place.children];
  }

  /** Hang the pictures of these recipes; resolves when all of them are painted, or others hang there. */
  async hang(recipes, rank = 1) {
    this.painter.forget(this);
    this.recipes = recipes;
    while (this.place.children.length > recipes.length) this.place.lastChild.remove();
    while (this.place.children.length < recipes.length) this.place.append(emptyFrame());
    const frames = this.frames;
    await Promise.all(recipes.map((recipe, place) => this.fill(frames[place], recipe, rank)));
  }

  async fill(frame, recipe, rank) {
    const key = toJson(recipe);
    Object.assign(frame, { recipe, key });
    frame.setAttribute('aria-busy', 'true');
    frame.classList.toggle('selected', key === Wall.selected);
    try {
      const caption = await this.labelOf(recipe);
      if (frame.key !== key) return;
      frame.querySelector('.caption').textContent = caption;
      const picture = await this.painter.paint(recipe, { owner: this, rank });
      if (frame.key !== key) return;
      const image = frame.querySelector('img');
      image.src = picture.url;
      image.alt = caption;
      frame.removeAttribute('aria-busy');
    } catch (error) {
      if (isReplaced(error) || frame.key !== key) return;
      frame.querySelector('.caption').textContent = sayError(error);
    }
  }

  /** Frame the picture that is in the panel, wherever it hangs. */
  static select(recipe) {
    Wall.selected = toJson(recipe);
    for (const frame of document.querySelectorAll('.frame'))
      frame.classList.toggle('selected', frame.key === Wall.selected);
  }
}

function emptyFrame() {
  const frame = make(
    'button',
    { className: 'frame' },
    make('img', { alt: '' }),
    make('span', { className: 'caption' }),
  );
  frame.type = 'button';
  return frame;
}
