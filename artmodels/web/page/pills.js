// A row of pills to choose one of a model's styles by, or all of them, or those that were curated.

import { say, styleWord } from './words.js';
import { make } from './wall.js';

export const CURATED = 'curated seeds'; // in the place of a style

/** Fill a row; `choose` gets the style that is clicked or reached by an arrow, null for all. */
export function buildPills(row, styles, choose, curated = false) {
  const choices = [...(curated ? [CURATED] : []), null, ...styles],
    nameOf = (style) => (style === null ? say('all-styles') : style === CURATED ? say('curated') : styleWord(style));
  row.replaceChildren(
    ...choices.map((style) => {
      const pill = make('button', { type: 'button', textContent: nameOf(style) });
      pill.setAttribute('role', 'radio');
      pill.dataset.style = style ?? '';
      pill.onclick = () => choose(style);
      return pill;
    }),
  );
  row.onkeydown = (event) => {
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const pills = [...row.children],
      here = pills.findIndex((pill) => pill.getAttribute('aria-checked') === 'true');
    const next = pills[(here + by + pills.length) % pills.length];
    next.click();
    next.focus();
  };
}

export function markPills(row, style) {
  for (const pill of row.children) {
    const chosen = pill.dataset.style === (style ?? '');
    pill.setAttribute('aria-checked', chosen);
    pill.tabIndex = chosen ? 0 : -1;
  }
}
