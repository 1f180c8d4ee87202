// The panel beside all pages: the picture that was picked, what can be done with it, and those that are kept.

import { openLarge, showLarge } from './large.js';
import { isReplaced } from './painter.js';
import { fileNameOf, linkOf, longLinkOf, parseRecipe, toJson } from './recipe.js';
import { say, sayError } from './words.js';
import { element, Wall } from './wall.js';

const MAX_KEPT = 60,
  STORE = 'artmodels-kept';

export class Panel {
  constructor(app) {
    this.app = app;
    this.picked = null;
    this.kept = readKept();
    this.wall = new Wall('kept', app.painter, (recipe, frame) => app.pick(recipe, frame));
    element('keep').onclick = () => this.toggle();
    element('copy').onclick = () => this.copy();
    element('sheet-close').onclick = () => document.body.classList.add('sheet-closed');
    addEventListener('storage', ({ key }) => {
      if (key !== STORE) return;
      this.kept = readKept();
      this.label();
      this.showKept();
    });
  }

  /** Show the picture of a recipe; in the address too, unless it came from there. */
  async show(recipe, { frame = null, large = true, follow = true } = {}) {
    this.picked = recipe;
    Wall.select(recipe);
    if (large) openLarge(frame);
    let picture;
    try {
      picture = await this.app.painter.paint(recipe, { owner: null, rank: 0 });
    } catch (error) {
      if (!isReplaced(error)) this.app.tell(sayError(error));
      return;
    }
    if (this.picked !== recipe) return;
    const image = element('picked').querySelector('img');
    image.src = picture.url;
    image.alt = picture.caption;
    element('picked-caption').textContent = picture.caption;
    element('picked-body').hidden = false;
    element('pick-hint').hidden = true;
    if (large) showLarge(picture);
    const download = element('download');
    URL.revokeObjectURL(this.address);
    this.address = URL.createObjectURL(picture.png); // its own: the painter lets go of pictures that it has long made
    download.href = this.address;
    download.download = await fileNameOf(recipe);
    this.label();
    try {
      const query = await (this.app.isHome() ? linkOf : longLinkOf)(recipe); // a short one means the page's own model
      element('link').value = location.origin + location.pathname + query;
      if (follow && location.search !== query) history.pushState(null, '', query);
    } catch (error) {
      element('link').value = sayError(error);
    }
  }

  label() {
    const key = this.picked && toJson(this.picked);
    const word = this.kept.some((recipe) => toJson(recipe) === key) ? 'kept-already' : 'keep';
    element('keep').textContent = say(word);
  }

  toggle() {
    this.kept = readKept(); // another tab may have kept more
    const key = toJson(this.picked),
      others = this.kept.filter((recipe) => toJson(recipe) !== key);
    if (others.length === this.kept.length && others.length >= MAX_KEPT) {
      this.app.tell(say('kept-full', { most: MAX_KEPT }));
      return;
    }
    this.kept = others.length < this.kept.length ? others : [...others, this.picked];
    try {
      localStorage.setItem(STORE, JSON.stringify(this.kept));
    } catch {
      this.app.tell(say('unkept'));
    }
    this.label();
    this.showKept();
  }

  /** What is kept of the model that paints, and how many are other models'. */
  showKept() {
    const ours = this.kept.filter((recipe) => recipe.weights_sha256 === this.app.model.weightsSha256).reverse();
    const others = this.kept.length - ours.length;
    element('kept-news').textContent = others
      ? say('kept-others', { count: others })
      : this.kept.length
        ? ''
        : say('kept-none');
    this.wall.hang(ours, 3);
  }

  async copy() {
    const link = element('link');
    try {
      await navigator.clipboard.writeText(link.value);
      this.app.tell(say('copied'));
    } catch {
      // within a frame of another site there may be no leave to use it
      link.select();
      this.app.tell(document.execCommand('copy') ? say('copied') : say('copy-blocked'));
    }
  }
}

function readKept() {
  try {
    const stored = JSON.parse(localStorage.getItem(STORE) ?? '[]');
    return (Array.isArray(stored) ? stored : []).slice(-MAX_KEPT).flatMap((data) => {
      try {
        return [parseRecipe(data)];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}
