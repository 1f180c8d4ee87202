// What pages ask for pictures: a queue before the worker, where the picture that is looked at comes before a wall.

import { readManifest } from './model.js';
import { captionOf, FIRST_TRUNCATION, seedRecipe, toJson } from './recipe.js';
import { Complaint, say, styleWord } from './words.js';

const AHEAD = 2; // pictures that the worker has at once, so that it never idles
const KEPT = 400; // pictures that are not painted again
const MOST_THREADS = 4,
  MOST_LEVELS = 1;
const SIMD = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
]);

export const threads = () =>
  self.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1) : 1;

/** Raises a complaint where this browser cannot paint. */
export function checkBrowser() {
  if (typeof WebAssembly !== 'object' || !WebAssembly.validate(SIMD)) throw new Complaint('no-simd');
  if (typeof DecompressionStream !== 'function' || !self.crypto?.subtle) throw new Complaint('old-browser');
}

/** A worker with a model; `ask` answers one question at a time. */
class Workshop {
  constructor(told = () => {}) {
    this.waiting = new Map();
    this.count = 0;
    this.worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
    this.worker.onmessage = ({ data }) => {
      if (data.progress) {
        told(data.progress);
        return;
      }
      const { resolve, reject } = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if (!data.error) {
        resolve(data.answer);
        return;
      }
      reject(data.error.key ? new Complaint(data.error.key, data.error.values) : new Error(data.error.message));
    };
    this.worker.onerror = (event) => {
      event.preventDefault();
      for (const { reject } of this.waiting.values()) reject(new Error(event.message ?? 'the worker ended'));
      this.waiting.clear();
    };
  }

  ask(act, asked, id = ++this.count) {
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, act, ...asked });
    });
  }

  end() {
    this.worker.terminate();
    for (const { reject } of this.waiting.values()) reject(new Complaint('replaced'));
    this.waiting.clear();
  }
}

export class Painter {
  constructor() {
    this.queue = [];
    this.busy = 0;
    this.kept = new Map();
    this.times = []; // milliseconds that each picture took
    this.engine = 'wasm';
  }

  /** Load a model's files; the model before stays until they are here. */
  async open(source, told) {
    const manifest = await readManifest(source),
      workshop = new Workshop(told);
    try {
      const { directions } = await workshop.ask('open', {
        model: manifest,
        provider: 'wasm',
        threads: threads(),
        runtime: runtime(),
      });
      this.model = { ...manifest, directions };
    } catch (error) {
      workshop.end();
      throw error;
    }
    this.workshop?.end();
    this.drop();
    this.workshop = workshop;
    this.engine = 'wasm';
    return this.model;
  }

  drop() {
    for (const { reject } of this.queue.splice(0)) reject(new Complaint('replaced'));
    this.busy = 0;
    for (const picture of this.kept.values())
      picture.then(
        ({ url }) => URL.revokeObjectURL(url),
        () => {},
      );
    this.kept.clear();
  }

  /** Go over to the graphics processor if one picture shows that it paints the same, and faster or `anyway`. */
  async tryGraphics(anyway = false) {
    if (!navigator.gpu || navigator.connection?.saveData || !(await navigator.gpu.requestAdapter().catch(() => null)))
      return 'absent';
    const { model } = this,
      workshop = new Workshop();
    try {
      await workshop.ask('open', {
        model: { ...model, directions: undefined },
        provider: 'webgpu',
        threads: 1,
        runtime: runtime(),
      });
      const [style] = model.styles,
        recipe = seedRecipe(model, { [style]: 1 }, 7, FIRST_TRUNCATION, style);
      await workshop.ask('pixels', { recipe }); // the first one compiles
      const [there, here] = [await workshop.ask('pixels', { recipe }), await this.workshop.ask('pixels', { recipe })];
      const apart = there.levels.reduce(
        (most, level, place) => Math.max(most, Math.abs(level - here.levels[place])),
        0,
      );
      const verdict =
        apart > MOST_LEVELS ? 'differs' : !anyway && there.milliseconds >= here.milliseconds ? 'slower' : 'used';
      if (verdict !== 'used' || model !== this.model) {
        workshop.end();
        return verdict;
      }
      const before = this.workshop;
      this.workshop = workshop;
      this.engine = 'webgpu';
      setTimeout(() => before.end(), 10_000); // it still paints what it was asked for
      return verdict;
    } catch {
      workshop.end();
      return 'fails';
    }
  }

  /**
   * The picture { url, png, recipe, caption }, named in the language of this moment. Smaller ranks come first; an owner
   * can forget what it waits for.
   */
  async paint(recipe, order = {}) {
    return { ...(await this.pictureOf(recipe, order)), caption: await captionOf(recipe, styleWord, say) };
  }

  pictureOf(recipe, { owner = null, rank = 1 }) {
    const key = toJson(recipe);
    if (this.kept.has(key)) {
      const known = this.kept.get(key);
      this.kept.delete(key);
      this.kept.set(key, known);
      const waiting = this.queue.find((task) => task.key === key);
      if (waiting) Object.assign(waiting, { rank: Math.min(rank, waiting.rank), owner: null });
      this.sort();
      return known;
    }
    const picture = this.ask('paint', { recipe }, { owner, rank, key }).then(({ png, milliseconds }) => {
      this.times.push(milliseconds);
      return { url: URL.createObjectURL(png), png, recipe };
    });
    picture.catch(() => {
      if (this.kept.get(key) === picture) this.kept.delete(key);
    });
    this.kept.set(key, picture);
    if (this.kept.size > KEPT) {
      const [[oldest, gone]] = this.kept;
      this.kept.delete(oldest);
      gone.then(
        ({ url }) => URL.revokeObjectURL(url),
        () => {},
      );
    }
    return picture;
  }

  ask(act, asked, { owner = null, rank = 1, key = null } = {}) {
    return new Promise((resolve, reject) => {
      this.queue.push({ act, asked, owner, rank, key, resolve, reject });
      this.sort();
      this.next();
    });
  }

  /** Paint no more of what an owner waits for. */
  forget(owner) {
    const gone = this.queue.filter((task) => task.owner === owner);
    this.queue = this.queue.filter((task) => task.owner !== owner);
    for (const { key, reject } of gone) {
      this.kept.delete(key);
      reject(new Complaint('replaced'));
    }
  }

  sort() {
    this.queue.sort((one, other) => one.rank - other.rank); // stable: first come, first served
  }

  next() {
    while (this.busy < AHEAD && this.queue.length) {
      const { act, asked, resolve, reject } = this.queue.shift(),
        { workshop } = this;
      this.busy++;
      workshop
        .ask(act, asked)
        .then(resolve, reject)
        .finally(() => {
          this.busy = Math.max(0, this.busy - 1);
          this.next();
        });
    }
  }
}

const runtime = () => new URL('../runtime/', import.meta.url).href;

export const isReplaced = (error) => error.key === 'replaced';
