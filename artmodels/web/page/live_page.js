// A page whose pictures move with what the visitor's microphone hears, in this browser alone.

import { LiveWalk } from './live_walk.js';
import { Microphone } from './microphone.js';
import { isReplaced } from './painter.js';
import { buildPills, markPills } from './pills.js';
import { Stage } from './stage.js';
import { say, sayError } from './words.js';
import { element } from './wall.js';

const SLOWEST = 60,
  FASTEST = 3; // seconds from one picture of the walk to the next, at both ends of the slider
const STEP = 0.1, // of the way to the next picture, from scene to scene
  LOOK = 0.05, // seconds until it looks again whether the walk has come so far
  LONGEST_WAIT = 8; // seconds that it goes on while nobody looks, and that a scene fades in at most

const pause = (seconds) =>
  new Promise((resolve) => {
    setTimeout(resolve, 1000 * seconds);
  });

export class LivePage {
  constructor(app) {
    this.app = app;
    this.style = null; // null: all in turn
    this.session = null; // while it listens
    this.stage = new Stage(element('live'));
    element('live-start').onclick = () => this.start();
    for (const id of ['live-stop', 'stage-stop']) element(id).onclick = () => this.stop();
    element('live-full').onclick = () => this.enlarge();
    element('stage-leave').onclick = () => this.leaveStage();
    element('live-strength').oninput = () => this.setStrength();
    document.addEventListener('fullscreenchange', () => {
      if (!document.fullscreenElement) this.reduce();
    });
    document.addEventListener('keydown', ({ key }) => {
      if (key === 'Escape') this.leaveStage();
    });
    this.setStrength();
    this.mark();
  }

  /** Begin anew with the model that is there now, or name its styles in another language. */
  build() {
    const { model } = this.app;
    if (this.model !== model) {
      this.stop();
      Object.assign(this, { model, style: null });
      this.stage.clear();
    }
    buildPills(element('live-style'), model.styles, (style) => {
      this.style = style;
      this.mark();
      this.begin();
    });
    this.mark();
    if (!element('page-live').hidden) this.shown();
  }

  mark() {
    const listening = Boolean(this.session);
    markPills(element('live-style'), this.style);
    element('live-start').hidden = listening;
    for (const id of ['live-stop', 'stage-stop']) element(id).hidden = !listening;
  }

  tell(text) {
    element('live-news').textContent = text;
  }

  setStrength() {
    this.stage.strength = Number(element('live-strength').value);
  }

  /** A walk of the chosen styles from another seed; while nothing listens, its first picture alone. */
  begin() {
    this.walk = new LiveWalk(this.model, this.style === null ? this.model.styles : [this.style]);
    if (!this.session) this.showFirst(this.walk);
  }

  async showFirst(walk) {
    try {
      const scene = await this.paint(walk);
      if (this.session || this.walk !== walk) return;
      this.stage.clear();
      this.stage.show(scene);
    } catch (error) {
      if (!isReplaced(error)) this.tell(sayError(error));
    }
  }

  shown() {
    if (!this.walk || this.walk.model !== this.model) this.begin();
  }

  async start() {
    const session = {};
    this.session = session;
    this.tell(say('live-asking'));
    this.mark();
    try {
      session.microphone = await Microphone.open(
        (accents) => this.stage.push(accents),
        () => this.stop(say('live-lost')),
      );
      if (this.session !== session) {
        session.microphone.close(); // the visitor left meanwhile
        return;
      }
      this.tell(say('live-listening'));
      this.stage.run();
      await this.wander(session);
    } catch (error) {
      if (this.session === session) this.stop(sayError(error));
    }
  }

  /** Paint scene after scene as the walk goes on, as long as this session lasts. */
  async wander(session) {
    let before = performance.now(),
      begun = before,
      painted = {};
    while (this.session === session) {
      const { walk } = this,
        now = performance.now();
      walk.place += Math.min((now - before) / 1000, LONGEST_WAIT) * this.pace();
      before = now;
      if (painted.walk === walk && walk.place - painted.place < STEP) {
        await pause(LOOK);
        continue;
      }
      const goesOn = painted.walk === walk;
      painted = { walk, place: walk.place };
      const scene = await this.paint(walk);
      scene.seconds = goesOn ? Math.min((performance.now() - begun) / 1000, LONGEST_WAIT) : 0;
      begun = performance.now();
      if (this.session === session && this.walk === walk) await this.stage.show(scene);
    }
  }

  /** Pictures of the walk a second. */
  pace() {
    const pace = Number(element('live-pace').value);
    return pace && 1 / (SLOWEST * (FASTEST / SLOWEST) ** pace);
  }

  /** The scene of a walk's place, after whatever else the visitor waits for. */
  async paint(walk) {
    const pictures = [];
    for (const recipe of walk.scene()) {
      const { levels } = await this.app.painter.ask('pixels', { recipe }, { owner: this, rank: 2 });
      pictures.push(await createImageBitmap(new ImageData(levels, walk.model.resolution)));
    }
    const [base, ...pushed] = pictures;
    return { base, pushed, seconds: 0 };
  }

  /** Release the microphone and stand still. */
  stop(why = '') {
    if (!this.session) return;
    this.session.microphone?.close();
    this.session = null;
    this.app.painter.forget(this);
    this.stage.rest();
    this.tell(why);
    this.mark();
  }

  left() {
    this.stop();
    this.leaveStage();
  }

  // The stage in the whole window, and in the whole screen where the browser can.

  enlarge() {
    document.body.classList.add('staged');
    element('stage').requestFullscreen?.().catch(() => {}); // then the window is all there is
    element('stage-leave').focus();
  }

  leaveStage() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.reduce();
  }

  reduce() {
    if (!document.body.classList.contains('staged')) return;
    document.body.classList.remove('staged');
    element('live-full').focus();
  }
}
