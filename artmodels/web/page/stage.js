// The canvas of the page Live. Painting takes longer than the eye waits for a sound, so what is shown are blends of
// pictures that are painted already: scenes that fade into each other, and what sounds push a scene towards.

const RELAX = 0.28, // seconds in which a push falls to 1/e
  CALM_RELAX = 8, // where the visitor wants little motion, and how slowly it is followed then
  CALM_FOLLOW = 4,
  LEAST_FADE = 0.6, // seconds from one scene to the next
  CALM_FADE = 2.5,
  LONGEST_FRAME = 0.1; // seconds that pass at once, after the page was away

const isCalm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

/** A scene is { base, pushed, seconds }: bitmaps, one pushed by each band, and how long to fade to them. */
export class Stage {
  constructor(canvas) {
    this.canvas = canvas;
    this.strength = 0;
    this.mixed = document.createElement('canvas');
    this.clear();
  }

  clear() {
    cancelAnimationFrame(this.frame);
    this.frame = null;
    for (const scene of [this.from, this.to, this.next]) close(scene);
    this.taken?.();
    Object.assign(this, { from: null, to: null, next: null, taken: null, share: 1 });
    this.pushes = [0, 0, 0];
    this.shown = [0, 0, 0];
  }

  /** Fade to a scene after those before; resolves when it is time to paint another. */
  show(scene) {
    if (!this.to) {
      this.from = this.to = scene;
      this.draw();
      return Promise.resolve();
    }
    this.next = scene;
    return new Promise((resolve) => {
      this.taken = resolve;
    });
  }

  run() {
    this.last = performance.now();
    const step = (now) => {
      const passed = Math.min(Math.max(now - this.last, 0) / 1000, LONGEST_FRAME);
      this.last = now;
      this.fade(passed);
      this.draw();
      this.relax(passed);
      this.frame = requestAnimationFrame(step);
    };
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(step);
  }

  /** Stand still, and show the scene as it is without pushes. */
  rest() {
    cancelAnimationFrame(this.frame);
    close(this.next);
    this.taken?.();
    Object.assign(this, { frame: null, next: null, taken: null });
    this.pushes = [0, 0, 0];
    this.shown = [0, 0, 0];
    this.draw();
  }

  /** Something begins in these bands, as strongly as this: 0 to 1. */
  push(accents) {
    this.pushes = this.pushes.map((push, band) => Math.max(push, accents[band]));
    if (!isCalm()) this.shown = this.pushes;
  }

  relax(passed) {
    const calm = isCalm(),
      kept = Math.exp(-passed / (calm ? CALM_RELAX : RELAX)),
      followed = calm ? 1 - Math.exp(-passed / CALM_FOLLOW) : 1;
    this.pushes = this.pushes.map((push) => push * kept);
    this.shown = this.shown.map((shown, band) => shown + followed * (this.pushes[band] - shown));
  }

  fade(passed) {
    if (!this.to) return;
    const seconds = Math.min(this.to.seconds, this.next?.seconds ?? Infinity);
    this.share = Math.min(1, this.share + passed / Math.max(isCalm() ? CALM_FADE : LEAST_FADE, seconds));
    if (this.share < 1 || !this.next) return;
    if (this.from !== this.to) close(this.from);
    Object.assign(this, { from: this.to, to: this.next, next: null, share: 0 });
    this.taken();
  }

  /** The pictures of now, and the share of each; the shares sum to 1. */
  parts() {
    const pushes = this.shown.map((push) => push * this.strength);
    const total = pushes.reduce((sum, push) => sum + push, 0),
      shares = pushes.map((push) => push / Math.max(1, total));
    const rest = Math.max(0, 1 - total);
    return [
      [this.from, 1 - this.share],
      [this.to, this.share],
    ].flatMap(([{ base, pushed }, share]) => [
      [base, rest * share],
      ...pushed.map((picture, band) => [picture, shares[band] * share]),
    ]);
  }

  draw() {
    if (!this.to) return;
    const { mixed, canvas } = this,
      { width } = this.to.base;
    if (mixed.width !== width) mixed.width = mixed.height = width;
    const mixer = mixed.getContext('2d');
    let sum = 0;
    for (const [picture, share] of this.parts()) {
      if (share < 0.002) continue;
      sum += share;
      mixer.globalAlpha = share / sum; // what lies below keeps the rest
      mixer.drawImage(picture, 0, 0);
    }
    const brush = canvas.getContext('2d');
    brush.imageSmoothingQuality = 'high';
    brush.drawImage(mixed, 0, 0, canvas.width, canvas.height);
  }
}

function close(scene) {
  if (scene) for (const picture of [scene.base, ...scene.pushed]) picture.close();
}
