// The page: its languages, its tabs, and the model that paints.

import { BlendPage } from './blend_page.js';
import { BreedPage } from './breed_page.js';
import { closeLarge, isOpen } from './large.js';
import { LayerMixer } from './layers.js';
import { LivePage } from './live_page.js';
import { Opener } from './opening.js';
import { checkBrowser, Painter, threads } from './painter.js';
import { PaintPage } from './paint_page.js';
import { FilmPage } from './film_page.js';
import { Panel } from './panel.js';
import { CURATED } from './pills.js';
import { asks, FIRST_SEED } from './recipe.js';
import { showValues } from './sliders.js';
import { SteerPage } from './steer_page.js';
import { firstLanguage, LANGUAGES, language, say, sayError, speak } from './words.js';
import { element, make } from './wall.js';

const app = {
  painter: new Painter(),
  load,
  pages: ['paint', 'blend', 'breed', 'steer', 'film', 'live'],

  tell(text, teller = null) {
    element('news').textContent = text;
    this.teller = teller;
  },

  /** Whether the page's own model paints, not one that a link has brought. */
  isHome() {
    return this.model.name === this.site.model && this.model.revision === this.site.revision;
  },

  /** Seeds that were chosen, where the page's own model paints and has some; else null. */
  curated() {
    return this.isHome() ? this.site.curated : null;
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
    document.body.classList.add('sheet-closed'); // on a phone it would lie over the page
    this.tell('');
    for (const name of this.pages) {
      element(`page-${name}`).hidden = name !== page;
      const tab = element(`tab-${name}`);
      tab?.setAttribute('aria-selected', name === page);
      if (tab) tab.tabIndex = name === page ? 0 : -1;
    }
    if (page !== 'live') this.livePage.left();
    const { blendPage: blend, breedPage: breed, steerPage: steer, filmPage: film, livePage: live } = this;
    ({ blend, breed, steer, film, live })[page]?.shown();
  },
};

// Words

function translate() {
  for (const part of document.querySelectorAll('[data-word]')) part.textContent = say(part.dataset.word);
  // only words of our own hold marks
  for (const part of document.querySelectorAll('[data-html]')) part.innerHTML = say(part.dataset.html);
  for (const part of document.querySelectorAll('[data-label]'))
    part.setAttribute('aria-label', say(part.dataset.label));
  for (const part of document.querySelectorAll('[data-placeholder]')) part.placeholder = say(part.dataset.placeholder);
  showValues();
}

function buildTongue() {
  element('tongue').replaceChildren(
    ...Object.entries(LANGUAGES).map(([code, name]) => {
      const button = make('button', { type: 'button', lang: code, textContent: name });
      button.setAttribute('aria-pressed', code === language);
      button.onclick = async () => {
        await speak(code);
        buildTongue();
        translate();
        if (app.model) rename();
      };
      return button;
    }),
  );
}

/** All that is named after the model's styles and directions, in the language that is spoken now. */
function rename() {
  const { model } = app;
  buildTabs();
  for (const page of [app.paintPage, app.blendPage, app.steerPage, app.livePage]) page.build();
  app.paintPage.mark();
  const masthead = model.styles.length > 1 ? say('masthead', { count: model.styles.length }) : say('masthead-one');
  element('masthead').querySelector('p').textContent = masthead;
  const millions = (model.parameters / 1e6).toFixed(1),
    { name, resolution } = model;
  element('colophon-model').textContent = say('web-colophon', { name, resolution, millions });
  const stated = (text) => text || say('not-stated');
  element('colophon-rights').textContent = say('colophon-rights', {
    license: stated(model.license),
    pictures: stated(model.provenance),
  });
  tellEngine();
  if (app.panel.picked) app.panel.show(app.panel.picked, { large: isOpen(), follow: false });
  app.panel.label();
  app.panel.showKept();
  for (const wall of walls()) wall.hang(wall.recipes);
}

const walls = () => [
  app.paintPage.wall,
  app.blendPage.wall,
  app.breedPage.parents,
  app.breedPage.litter,
  app.filmPage.reel,
  app.layerMixer.cuts,
];

function tellEngine() {
  const key = app.painter.engine === 'webgpu' ? 'engine-webgpu' : threads() > 1 ? 'engine-threads' : 'engine-thread';
  element('colophon-engine').textContent = say(key, { threads: threads() });
}

// Tabs

function buildTabs() {
  const absent = app.model.directions ? [] : ['steer'];
  element('steer-it').hidden = !app.model.directions;
  const chosen = app.pages.find((name) => !element(`page-${name}`).hidden && !absent.includes(name)) ?? 'paint';
  const offered = app.pages.filter(
    (name) => !absent.includes(name) && !(name === 'blend' && app.model.styles.length < 2),
  );
  element('tabs').replaceChildren(
    ...offered.map((name) => {
      const tab = make('button', { id: `tab-${name}`, type: 'button', textContent: say(`page-${name}`) });
      tab.setAttribute('role', 'tab');
      tab.setAttribute('aria-controls', `page-${name}`);
      tab.setAttribute('aria-selected', name === chosen);
      tab.tabIndex = name === chosen ? 0 : -1;
      tab.onclick = () => app.go(name);
      return tab;
    }),
  );
  element('tabs').onkeydown = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key],
      tabs = [...element('tabs').children];
    if (!by) return;
    event.preventDefault();
    const next = tabs[(tabs.indexOf(document.activeElement) + by + tabs.length) % tabs.length];
    next.focus();
    next.click();
  };
}

// The model

/** Paint with another model from now on. */
async function load(source) {
  app.tell(say('web-fetching', { name: source.name, done: 0, all: '?' }));
  app.model = await app.painter.open(source, ({ done, all }) => {
    app.tell(say('web-fetching', { name: source.name, done: (done / 1e6).toFixed(1), all: (all / 1e6).toFixed(1) }));
  });
  app.tell('');
  for (const wall of walls()) wall.hang([]);
  app.breedPage.build();
  app.filmPage.build();
  app.layerMixer.build();
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
  document.addEventListener('input', ({ target }) => {
    if (target.type === 'range') showValues();
  });
  document.addEventListener('click', ({ target }) => {
    if (target.closest?.('#actions button:not(#keep)')) closeLarge();
  });
  addEventListener('popstate', () => {
    closeLarge();
    if (asks(location.search)) app.opener.goBack(location.search);
  });
}

async function keepForOfflineDays() {
  try {
    await navigator.serviceWorker.register('sw.js');
  } catch {
    // a frame of another site, or a browser, that does not let this page keep anything: it paints all the same
  }
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
    Object.assign(app, { livePage: new LivePage(app), layerMixer: new LayerMixer(app) });
    app.opener = new Opener(app);
    connect();
    const base = new URL('model/', document.baseURI).href,
      { model, revision, directions } = app.site;
    await load({ name: model, revision, onnx: base, directions: directions ? `${base}directions.safetensors` : null });
  } catch (error) {
    app.tell(sayError(error));
    document.body.dataset.state = 'failed';
    return;
  }
  const asked = asks(location.search),
    query = location.search;
  if (asked) await app.opener.openText(query, true);
  if (!app.paintPage.wall.recipes.length) await app.paintPage.set({ style: app.curated() ? CURATED : null, seed: FIRST_SEED });
  document.body.dataset.state = 'painted';
  await keepForOfflineDays();
  document.body.dataset.graphics = await app.painter.tryGraphics();
  tellEngine();
}

self.artmodels = app;
start();
