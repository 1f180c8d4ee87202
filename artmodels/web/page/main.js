// The page: its languages, its tabs, links that are opened, and the model that paints.

import { BlendPage } from './blend_page.js';
import { BreedPage } from './breed_page.js';
import { closeLarge } from './large.js';
import { readManifest } from './model.js';
import { checkBrowser, Painter, threads } from './painter.js';
import { PaintPage } from './paint_page.js';
import { FilmPage } from './film_page.js';
import { Panel } from './panel.js';
import { readPng } from './png.js';
import { asks, FIRST_SEED, longLinkOf, recipeOfText } from './recipe.js';
import { showValues } from './sliders.js';
import { SteerPage } from './steer_page.js';
import { Complaint, firstLanguage, LANGUAGES, language, say, sayError, speak } from './words.js';
import { element, make } from './wall.js';

const MAX_FILE = 100_000_000;
const ONLY_THE_STUDIO = new Set(['made-from-others', 'recipe-newer', 'found-with-another', 'no-direction', 'direction-changed']);

const app = {
  painter: new Painter(),
  pages: ['paint', 'blend', 'breed', 'steer', 'film'],

  tell(text, teller = null) {
    element('news').textContent = text;
    this.teller = teller;
  },

  /** Whether the page's own model paints, not one that a link has brought. */
  isHome() {
    return this.model.name === this.site.model && this.model.revision === this.site.revision;
  },

  /** What a page has told is mended; what others told stays. */
  hush(teller) {
    if (this.teller === teller) this.tell('');
  },

  pick(recipe, frame = null) {
    return this.panel.show(recipe, { frame, large: Boolean(frame) });
  },

  go(page) {
    closeLarge();
    document.body.classList.add('sheet-closed');  // on a phone it would lie over the page
    this.tell('');
    for (const name of this.pages) {
      element(`page-${name}`).hidden = name !== page;
      const tab = element(`tab-${name}`);
      tab?.setAttribute('aria-selected', name === page);
      if (tab) tab.tabIndex = name === page ? 0 : -1;
    }
    ({ blend: this.blendPage, breed: this.breedPage, steer: this.steerPage, film: this.filmPage })[page]?.shown();
  },
};

// Words

function translate() {
  for (const part of document.querySelectorAll('[data-word]')) part.textContent = say(part.dataset.word);
  for (const part of document.querySelectorAll('[data-html]')) part.innerHTML = say(part.dataset.html);  // words of our own
  for (const part of document.querySelectorAll('[data-label]')) part.setAttribute('aria-label', say(part.dataset.label));
  for (const part of document.querySelectorAll('[data-placeholder]')) part.placeholder = say(part.dataset.placeholder);
  showValues();
}

function buildTongue() {
  element('tongue').replaceChildren(...Object.entries(LANGUAGES).map(([code, name]) => {
    const button = make('button', { type: 'button', lang: code, textContent: name });
    button.setAttribute('aria-pressed', code === language);
    button.onclick = async () => {
      await speak(code);
      buildTongue();
      translate();
      if (app.model) rename();
    };
    return button;
  }));
}

/** All that is named after the model's styles and directions, in the language that is spoken now. */
function rename() {
  const { model } = app;
  buildTabs();
  for (const page of [app.paintPage, app.blendPage, app.steerPage]) page.build();
  app.paintPage.mark();
  const masthead = model.styles.length > 1 ? say('masthead', { count: model.styles.length }) : say('masthead-one');
  element('masthead').querySelector('p').textContent = masthead;
  const millions = (model.parameters / 1e6).toFixed(1), { name, resolution } = model;
  element('colophon-model').textContent = say('web-colophon', { name, resolution, millions });
  const stated = (text) => text || say('not-stated');
  element('colophon-rights').textContent = say('colophon-rights', { license: stated(model.license), pictures: stated(model.provenance) });
  tellEngine();
  app.panel.label();
  app.panel.showKept();
  for (const wall of walls()) wall.hang(wall.recipes);
}

const walls = () => [app.paintPage.wall, app.blendPage.wall, app.breedPage.parents, app.breedPage.litter, app.filmPage.reel];

function tellEngine() {
  const key = app.painter.engine === 'webgpu' ? 'engine-webgpu' : threads() > 1 ? 'engine-threads' : 'engine-thread';
  element('colophon-engine').textContent = say(key, { threads: threads() });
}

// Tabs

function buildTabs() {
  const absent = app.model.directions ? [] : ['steer'];
  element('steer-it').hidden = !app.model.directions;
  const chosen = app.pages.find((name) => !element(`page-${name}`).hidden && !absent.includes(name)) ?? 'paint';
  const offered = app.pages.filter((name) => !absent.includes(name) && !(name === 'blend' && app.model.styles.length < 2));
  element('tabs').replaceChildren(...offered.map((name) => {
    const tab = make('button', { id: `tab-${name}`, type: 'button', textContent: say(`page-${name}`) });
    tab.setAttribute('role', 'tab');
    tab.setAttribute('aria-controls', `page-${name}`);
    tab.setAttribute('aria-selected', name === chosen);
    tab.tabIndex = name === chosen ? 0 : -1;
    tab.onclick = () => app.go(name);
    return tab;
  }));
  element('tabs').onkeydown = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key], tabs = [...element('tabs').children];
    if (!by) return;
    event.preventDefault();
    const next = tabs[(tabs.indexOf(document.activeElement) + by + tabs.length) % tabs.length];
    next.focus();
    next.click();
  };
}

// Opening

/** Every control as it stood, and the very picture; or an offer where it is another model's. */
async function openRecipe(recipe, open, query) {
  const { model } = app;
  element('offer-bar').hidden = true;
  if (recipe.weights_sha256 !== model.weightsSha256) { await offer(recipe, open); return; }
  const strange = Object.keys(recipe.style_weights).find((style) => !model.styles.includes(style));
  if (strange) throw new Complaint('no-style', { found: `'${strange.slice(0, 80)}'`, styles: model.styles.join(', ') });
  const shifts = recipe.edits.filter(({ kind }) => kind === 'direction'), styles = Object.keys(recipe.style_weights);
  const moved = shifts.find(({ name, sha256 }) => !model.directions?.names.includes(name) || sha256 !== model.directions.sha256);
  if (moved) throw new Complaint(model.directions ? 'direction-changed' : 'no-direction', { found: moved.name });
  const wanted = app.pages.includes(open) ? open : shifts.length ? 'steer' : styles.length > 1 ? 'blend' : 'paint';
  const shown = app.panel.show(recipe, { large: wanted === 'paint', follow: !query });
  const [{ seed, of }] = recipe.latents;
  if (styles.length === 1) app.paintPage.set({ style: styles[0], seed, truncation: recipe.truncation, shared: of === undefined });
  else app.paintPage.repaint();
  app.go(wanted);
  if (wanted === 'blend') app.blendPage.mix({ ...recipe.style_weights }, seed, recipe.truncation);
  if (wanted === 'steer') app.steerPage.put(recipe);
  await shown;
}

/** What to do with a recipe of another model: load that one from the Hub, its size read first, or paint with this one. */
async function offer(recipe, open) {
  const { model } = app, wanted = recipe.revision ? `${recipe.model}@${recipe.revision.slice(0, 12)}` : recipe.model;
  const replaced = recipe.model === model.name && recipe.revision === model.revision;
  let words = say(replaced ? 'offer-replaced' : 'offer-none', { wanted, model: model.name }), source = null;
  if (!replaced && recipe.revision && isHubId(recipe.model)) {
    source = sourceOnHub(recipe.model, recipe.revision);
    try {
      const there = await readManifest(source);
      if (there.weightsSha256 !== recipe.weights_sha256) throw new Complaint('model-damaged', { found: 'manifest.json' });
      words = `${say('offer-load', { wanted, model: model.name })} ${say('offer-size', { megabytes: (there.bytes / 1e6).toFixed(1) })}`;
    } catch (error) {
      source = null;
      words += ` ${sayError(error)}`;
    }
  }
  showOffer(words, recipe);
  element('load-it').hidden = !source;
  element('load-it').onclick = () => guarded(async () => {
    element('offer-bar').hidden = true;
    await load(source);
    await openRecipe(recipe, open);
  });
  element('repaint-it').hidden = Boolean(source);
  element('repaint-it').onclick = () => guarded(() => openRecipe(adapted(recipe), open));
}

async function showOffer(words, recipe) {
  element('offer').textContent = words;
  for (const id of ['load-it', 'repaint-it']) element(id).hidden = true;
  const link = element('studio-link'), { studio } = app.site;
  link.hidden = !studio;
  if (studio) link.href = studio + (recipe ? await longLinkOf(recipe).catch(() => '') : '');
  element('offer-bar').hidden = false;
}

/** The recipe as if this model's weights were its own; what does not fit them is left out. */
function adapted(recipe) {
  const { model } = app, known = Object.entries(recipe.style_weights).filter(([style, share]) => model.styles.includes(style) && share > 0);
  const total = known.reduce((sum, [, share]) => sum + share, 0);
  const weights = total ? Object.fromEntries(known.map(([style, share]) => [style, share / total])) : { [model.styles[0]]: 1 };
  return { ...recipe, model: model.name, revision: model.revision, weights_sha256: model.weightsSha256, style_weights: weights, edits: [] };
}

const isHubId = (name) => /^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/.test(name) && !name.includes('..') && !name.includes('--');

function sourceOnHub(name, revision) {
  const base = `${app.site.hub}/${name}/resolve/${revision}/`;
  return { name, revision, onnx: `${base}onnx/`, directions: `${base}directions.safetensors` };
}

/** Open what an address or a visitor gives; what only the studio can do gets one line, and its link. */
async function openText(text, query = false) {
  await guarded(async () => {
    const { recipe, open } = await recipeOfText(text, app.model);
    await openRecipe(recipe, open, query);
  }, text);
}

async function guarded(act, text = '') {
  try {
    app.tell('');
    await act();
    return true;
  } catch (error) {
    if (ONLY_THE_STUDIO.has(error.key)) {
      await showOffer(sayError(error));
      const mark = text.lastIndexOf('?');
      if (app.site.studio && mark >= 0) element('studio-link').href = app.site.studio + text.slice(mark);
    } else {
      app.tell(sayError(error));
    }
    return false;
  }
}

async function openFile(file) {
  await guarded(async () => {
    if (file.size > MAX_FILE) throw new Complaint('no-png', { name: file.name });
    const text = await readPng(new Uint8Array(await file.arrayBuffer())).catch((error) => {
      throw error.key ? new Complaint(error.key, { ...error.values, name: file.name }) : error;
    });
    const { recipe, open } = await recipeOfText(text, app.model);
    await openRecipe(recipe, open);
  });
}

// The model

async function load(source) {
  app.tell(say('web-fetching', { name: source.name, done: 0, all: '?' }));
  app.model = await app.painter.open(source, ({ done, all }) => {
    app.tell(say('web-fetching', { name: source.name, done: (done / 1e6).toFixed(1), all: (all / 1e6).toFixed(1) }));
  });
  app.tell('');
  for (const wall of walls()) wall.hang([]);
  app.breedPage.build();
  app.filmPage.build();
  Object.assign(app.steerPage, { base: null, amounts: {} });
  Object.assign(app.paintPage, { near: null, past: [], style: null });
  rename();
  element('studio').hidden = false;
}

function connect() {
  element('settings-button').onclick = () => {
    const open = document.body.classList.toggle('settings-open');
    element('settings-button').setAttribute('aria-expanded', open);
  };
  document.addEventListener('input', ({ target }) => { if (target.type === 'range') showValues(); });
  document.addEventListener('click', ({ target }) => { if (target.closest?.('#actions button:not(#keep)')) closeLarge(); });
  element('opener').onchange = ({ target }) => {
    if (target.files.length) openFile(target.files[0]);
    target.value = '';
  };
  element('link-box').onkeydown = ({ key, target }) => { if (key === 'Enter') { openText(target.value); target.value = ''; } };
  addEventListener('popstate', () => {
    closeLarge();
    if (asks(location.search)) openText(location.search, true);
  });
}

async function start() {
  await speak(firstLanguage());
  buildTongue();
  translate();
  try {
    checkBrowser();
    app.site = await (await fetch('site.json')).json();
    Object.assign(app, { panel: new Panel(app), paintPage: new PaintPage(app), blendPage: new BlendPage(app) });
    Object.assign(app, { breedPage: new BreedPage(app), steerPage: new SteerPage(app), filmPage: new FilmPage(app) });
    connect();
    const base = new URL('model/', document.baseURI).href, { model, revision, directions } = app.site;
    await load({ name: model, revision, onnx: base, directions: directions ? `${base}directions.safetensors` : null });
  } catch (error) {
    app.tell(sayError(error));
    document.body.dataset.state = 'failed';
    return;
  }
  const asked = asks(location.search), query = location.search;
  if (asked) await openText(query, true);
  if (!app.paintPage.wall.recipes.length) await app.paintPage.set({ style: null, seed: FIRST_SEED });
  document.body.dataset.state = 'painted';
  document.body.dataset.graphics = await app.painter.tryGraphics();
  tellEngine();
  if (app.site.offline) navigator.serviceWorker?.register('sw.js').catch(() => {});
}

self.artmodels = app;
start();
