// A page to walk through pictures: frames are painted one by one, played on a canvas, and recorded where a browser can.

import { isReplaced } from './painter.js';
import { toJson } from './recipe.js';
import { say, sayError } from './words.js';
import { element, Wall } from './wall.js';

const RATE = 12; // frames a second
const MIN_STOPS = 2,
  MAX_STOPS = 12;
const KINDS = ['video/mp4;codecs=avc1.42E01E', 'video/webm;codecs=vp9', 'video/webm;codecs=vp8', 'video/webm'];

export class FilmPage {
  constructor(app) {
    this.app = app;
    this.stops = [];
    this.reel = new Wall('reel', app.painter, (recipe, frame) => app.pick(recipe, frame));
    element('film-it').onclick = () => this.add(app.panel.picked);
    element('make-film').onclick = () => this.make();
    element('clear-reel').onclick = () => this.choose([]);
    element('stop-film').onclick = () => this.stop();
  }

  build() {
    this.choose([]);
    this.end();
    element('film').hidden = true;
    element('film-download').hidden = true;
  }

  choose(recipes) {
    this.stops = recipes;
    return this.reel.hang(recipes, 0.5);
  }

  add(recipe) {
    this.app.go('film'); // which chooses an example where there is nothing yet
    const known = this.example ? [] : this.stops;
    this.example = false;
    if (known.some((each) => toJson(each) === toJson(recipe))) return;
    if (known.length >= MAX_STOPS) {
      this.app.tell(say('too-many-stops', { most: MAX_STOPS }));
      return;
    }
    this.choose([...known, recipe]);
  }

  /** Whoever comes before any picture is chosen finds three of the wall. */
  shown() {
    const hanging = this.app.paintPage.wall.recipes;
    if (this.stops.length || hanging.length < 5) return;
    this.example = true;
    this.choose([hanging[0], hanging[2], hanging[4]]);
  }

  stop() {
    this.making = null;
    this.app.painter.forget(this);
  }

  end() {
    this.stop();
    cancelAnimationFrame(this.playing);
    element('stop-film').hidden = true;
    element('make-film').disabled = false;
  }

  async make() {
    if (this.stops.length < MIN_STOPS) {
      this.app.tell(say('too-few-stops', { least: MIN_STOPS, found: this.stops.length }));
      return;
    }
    this.end();
    this.app.tell('');
    const making = {};
    this.making = making;
    element('make-film').disabled = true;
    element('stop-film').hidden = false;
    element('film-download').hidden = true;
    try {
      const images = await this.frames(making);
      if (this.making !== making) return;
      this.play(images);
      element('film-news').textContent = say('film-plays', { frames: images.length });
      await this.record(element('film'), images.length, making);
      if (reducedMotion()) cancelAnimationFrame(this.playing); // once is what was asked for
    } catch (error) {
      element('film-news').textContent = isReplaced(error) ? '' : sayError(error);
    } finally {
      if (this.making === making || this.making === null) {
        element('make-film').disabled = false;
        element('stop-film').hidden = true;
      }
    }
  }

  async frames(making) {
    const frames = Number(element('seconds').value) * RATE,
      loop = element('loop').checked,
      smooth = element('smooth').checked;
    const { painter, model } = this.app,
      images = [];
    const recipes = this.stops;
    for (let number = 0; number < frames && this.making === making; number++) {
      const { levels } = await painter.ask('frame', { recipes, number, frames, loop, smooth }, { owner: this, rank: 2 });
      images.push(await createImageBitmap(new ImageData(levels, model.resolution)));
      if (number === 0) this.draw(images[0]);
      element('film-news').textContent = say('painting', { done: number + 1, all: frames });
    }
    return images;
  }

  draw(image) {
    const canvas = element('film'),
      brush = canvas.getContext('2d');
    canvas.hidden = false;
    canvas.setAttribute('aria-label', say('film'));
    brush.imageSmoothingQuality = 'high';
    brush.drawImage(image, 0, 0, canvas.width, canvas.height);
  }

  /** Play frames on the canvas, over and over. */
  play(images) {
    const begun = performance.now();
    const show = () => {
      this.draw(images[Math.floor(((performance.now() - begun) / 1000) * RATE) % images.length]);
      this.playing = requestAnimationFrame(show);
    };
    cancelAnimationFrame(this.playing);
    show();
  }

  /** Record the canvas while the film plays once; where the browser cannot, the film plays and that is all. */
  async record(canvas, frames, making) {
    const kind =
      self.MediaRecorder && canvas.captureStream && KINDS.find((each) => MediaRecorder.isTypeSupported(each));
    if (!kind) {
      element('film-news').textContent = say('film-plays-only', { frames });
      return;
    }
    const recorder = new MediaRecorder(canvas.captureStream(RATE), { mimeType: kind, videoBitsPerSecond: 8_000_000 }),
      parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const ended = new Promise((resolve, reject) => {
      recorder.onstop = resolve;
      recorder.onerror = ({ error }) => reject(error);
    });
    recorder.start();
    element('film-news').textContent = say('film-recording', { frames });
    await new Promise((resolve) => {
      setTimeout(resolve, (frames / RATE) * 1000);
    });
    recorder.stop();
    await ended;
    if (this.making !== making) return;
    URL.revokeObjectURL(this.address);
    this.address = URL.createObjectURL(new Blob(parts, { type: kind }));
    const download = element('film-download');
    download.href = this.address;
    download.download = kind.startsWith('video/mp4') ? 'film.mp4' : 'film.webm';
    download.hidden = false;
    element('film-news').textContent = say('film-plays', { frames });
  }
}

const reducedMotion = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
