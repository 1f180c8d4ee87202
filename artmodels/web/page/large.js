// One picture large, with those beside it an arrow away; and the keys of the whole page.

import { element } from './wall.js';

const large = element('large');
let shown = null; // the frame that is open

export const isOpen = () => !large.hidden;

export function openLarge(frame) {
  shown = frame;
  large.hidden = false;
  document.body.classList.remove('sheet-closed');
  for (const name of ['before', 'next']) large.querySelector(`.${name}`).hidden = !frame;
}

/** The picture in the panel, as large as it goes. */
export function showLarge({ url, caption }) {
  const image = large.querySelector('img');
  image.src = url;
  image.alt = caption;
  large.querySelector('figcaption').textContent = caption;
}

export function closeLarge() {
  if (large.hidden) return;
  large.hidden = true;
  if (shown?.isConnected) shown.focus({ preventScroll: true });
  shown = null;
}

function choose(frame) {
  frame.click();
  frame.scrollIntoView({ block: 'nearest' });
}

function step(by) {
  const frames = shown ? [...shown.parentElement.children] : [],
    next = frames[frames.indexOf(shown) + by];
  if (next) choose(next);
}

large.querySelector('.close').onclick = closeLarge;
large.querySelector('.before').onclick = () => step(-1);
large.querySelector('.next').onclick = () => step(1);
large.onclick = (event) => {
  if (event.target === large) closeLarge();
};

const seen = (selector) => [...document.querySelectorAll(selector)].find((each) => each.offsetParent);

// Space paints anew, arrows move from picture to picture: when no control but a picture has the focus.
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.defaultPrevented) return;
  if (event.key === 'Escape' && isOpen()) {
    event.preventDefault();
    closeLarge();
    return;
  }
  const focus = document.activeElement,
    inWall = focus?.closest?.('.frame, #large');
  if (focus && focus !== document.body && !inWall) return;
  if (event.key === ' ') {
    const dice = seen('#dice, #blend-dice, #have-children');
    if (dice && !focus?.closest?.('#large')) {
      event.preventDefault();
      closeLarge();
      dice.click();
    }
    return;
  }
  const wall = shown?.parentElement ?? focus?.closest?.('.wall') ?? seen('#pages .wall');
  const frames = wall ? [...wall.children] : [];
  if (!frames.length) return;
  const top = (frame) => Math.round(frame.getBoundingClientRect().top);
  const columns = frames.filter((frame) => top(frame) === top(frames[0])).length;
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  if (!by) return;
  event.preventDefault();
  const here = frames.indexOf(shown ?? (inWall ? focus : wall.querySelector('.selected')));
  const next = here < 0 ? frames[0] : frames[here + by];
  if (!next) return;
  choose(next);
  next.focus({ preventScroll: true });
});
