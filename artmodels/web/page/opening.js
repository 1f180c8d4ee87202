// What a link, a PNG or a pasted recipe opens: every control as it stood, and the very picture; or an offer.

import { readManifest } from './model.js';
import { readPng } from './png.js';
import { longLinkOf, recipeOfText } from './recipe.js';
import { Complaint, say, sayError } from './words.js';
import { element } from './wall.js';

const MAX_FILE = 100_000_000;
const ONLY_THE_STUDIO = new Set([
  'made-from-others',
  'recipe-newer',
  'found-with-another',
  'no-direction',
  'direction-changed',
]);

export class Opener {
  constructor(app) {
    this.app = app;
    element('opener').onchange = ({ target }) => {
      if (target.files.length) this.openFile(target.files[0]);
      target.value = '';
    };
    element('link-box').onkeydown = ({ key, target }) => {
      if (key !== 'Enter') return;
      this.openText(target.value);
      target.value = '';
    };
  }

  /** Every control as it stood, and the very picture; or an offer where it is another model's. */
  async openRecipe(recipe, open, query) {
    const { model } = this.app;
    element('offer-bar').hidden = true;
    if (recipe.weights_sha256 !== model.weightsSha256) {
      await this.offer(recipe, open);
      return;
    }
    const strange = Object.keys(recipe.style_weights).find((style) => !model.styles.includes(style));
    if (strange)
      throw new Complaint('no-style', { found: `'${strange.slice(0, 80)}'`, styles: model.styles.join(', ') });
    const shifts = recipe.edits.filter(({ kind }) => kind === 'direction'),
      styles = Object.keys(recipe.style_weights);
    const moved = shifts.find(
      ({ name, sha256 }) => !model.directions?.names.includes(name) || sha256 !== model.directions.sha256,
    );
    if (moved) throw new Complaint(model.directions ? 'direction-changed' : 'no-direction', { found: moved.name });
    const wanted = this.app.pages.includes(open)
      ? open
      : shifts.length
        ? 'steer'
        : styles.length > 1
          ? 'blend'
          : 'paint';
    const shown = this.app.panel.show(recipe, { large: wanted === 'paint', follow: !query });
    const [{ seed, of }] = recipe.latents;
    if (styles.length === 1)
      this.app.paintPage.set({ style: styles[0], seed, truncation: recipe.truncation, shared: of === undefined });
    else this.app.paintPage.repaint();
    this.app.go(wanted);
    if (wanted === 'blend') this.app.blendPage.mix({ ...recipe.style_weights }, seed, recipe.truncation);
    if (wanted === 'steer') this.app.steerPage.put(recipe);
    await shown;
  }

  /** What to do with another model's recipe: load that one from the Hub, its size read first, or use this one. */
  async offer(recipe, open) {
    const { model } = this.app,
      wanted = recipe.revision ? `${recipe.model}@${recipe.revision.slice(0, 12)}` : recipe.model;
    const replaced = recipe.model === model.name && recipe.revision === model.revision;
    let words = say(replaced ? 'offer-replaced' : 'offer-none', { wanted, model: model.name }),
      source = null;
    if (!replaced && recipe.revision && isHubId(recipe.model)) {
      source = this.sourceOnHub(recipe.model, recipe.revision);
      try {
        const there = await readManifest(source);
        if (there.weightsSha256 !== recipe.weights_sha256)
          throw new Complaint('model-damaged', { found: 'manifest.json' });
        const size = say('offer-size', { megabytes: (there.bytes / 1e6).toFixed(1) });
        words = `${say('offer-load', { wanted, model: model.name })} ${size}`;
      } catch (error) {
        source = null;
        words += ` ${sayError(error)}`;
      }
    }
    this.showOffer(words, recipe);
    element('load-it').hidden = !source;
    element('load-it').onclick = () =>
      this.guarded(async () => {
        element('offer-bar').hidden = true;
        await this.app.load(source);
        await this.openRecipe(recipe, open);
      });
    element('repaint-it').hidden = Boolean(source);
    element('repaint-it').onclick = () => this.guarded(() => this.openRecipe(this.adapted(recipe), open));
  }

  async showOffer(words, recipe) {
    element('offer').textContent = words;
    for (const id of ['load-it', 'repaint-it']) element(id).hidden = true;
    const link = element('studio-link'),
      { studio } = this.app.site;
    link.hidden = !studio;
    if (studio) link.href = studio + (recipe ? await longLinkOf(recipe).catch(() => '') : '');
    element('offer-bar').hidden = false;
  }

  /** The recipe as if this model's weights were its own; what does not fit them is left out. */
  adapted(recipe) {
    const { model } = this.app,
      known = Object.entries(recipe.style_weights).filter(
        ([style, share]) => model.styles.includes(style) && share > 0,
      );
    const total = known.reduce((sum, [, share]) => sum + share, 0);
    const weights = total
      ? Object.fromEntries(known.map(([style, share]) => [style, share / total]))
      : { [model.styles[0]]: 1 };
    return {
      ...recipe,
      model: model.name,
      revision: model.revision,
      weights_sha256: model.weightsSha256,
      style_weights: weights,
      edits: [],
    };
  }

  sourceOnHub(name, revision) {
    const base = `${this.app.site.hub}/${name}/resolve/${revision}/`;
    return { name, revision, onnx: `${base}onnx/`, directions: `${base}directions.safetensors` };
  }

  /** Open what an address or a visitor gives; what only the studio can do gets one line, and its link. */
  async openText(text, query = false) {
    await this.guarded(async () => {
      const { recipe, open } = await recipeOfText(text, this.app.model);
      await this.openRecipe(recipe, open, query);
    }, text);
  }

  /** The picture of an address that one goes back to; the wall and the page stay as they are. */
  async goBack(query) {
    await this.guarded(async () => {
      const { recipe, open } = await recipeOfText(query, this.app.model);
      if (recipe.weights_sha256 !== this.app.model.weightsSha256) await this.openRecipe(recipe, open, true);
      else await this.app.panel.show(recipe, { large: false, follow: false });
    }, query);
  }

  async guarded(act, text = '') {
    try {
      this.app.tell('');
      await act();
      return true;
    } catch (error) {
      if (ONLY_THE_STUDIO.has(error.key)) {
        await this.showOffer(sayError(error));
        const mark = text.lastIndexOf('?');
        if (this.app.site.studio && mark >= 0) element('studio-link').href = this.app.site.studio + text.slice(mark);
      } else {
        this.app.tell(sayError(error));
      }
      return false;
    }
  }

  async openFile(file) {
    await this.guarded(async () => {
      if (file.size > MAX_FILE) throw new Complaint('no-png', { name: file.name });
      const text = await readPng(new Uint8Array(await file.arrayBuffer())).catch((error) => {
        throw error.key ? new Complaint(error.key, { ...error.values, name: file.name }) : error;
      });
      const { recipe, open } = await recipeOfText(text, this.app.model);
      await this.openRecipe(recipe, open);
    });
  }
}

const isHubId = (name) =>
  /^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/.test(name) && !name.includes('..') && !name.includes('--');
