// What the page says, in the visitor's language.

let words = {};
export let language = 'en';

export const LANGUAGES = { en: 'English', zh: '中文' };

/** An error that the page can say in each language; `values` fill its gaps. */
export class Complaint extends Error {
  constructor(key, values = {}) {
    super(key);
    this.key = key;
    this.values = values;
  }
}

export function firstLanguage() {
  let kept = null;
  try {
    kept = localStorage.getItem('artmodels-language');
  } catch {
    /* the browser stores nothing here */
  }
  const wished = kept ?? navigator.language ?? 'en';
  return wished.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

export async function speak(chosen) {
  const answer = await fetch(new URL(`words/${chosen}.json`, document.baseURI));
  words = await answer.json();
  language = chosen;
  document.documentElement.lang = chosen;
  try {
    localStorage.setItem('artmodels-language', chosen);
  } catch {
    /* the browser stores nothing here */
  }
}

/** The text of a key, its gaps {like this} filled. */
export function say(key, values = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (gap, name) => values[name] ?? gap);
}

export const knows = (key) => key in words;

export function sayError(error) {
  return error.key ? say(error.key, error.values) : error.message;
}

export function styleWord(style) {
  const key = `style-${style}`;
  return knows(key) ? say(key) : style.slice(0, 1).toUpperCase() + style.slice(1).replaceAll('_', ' ');
}

export function directionWord(name) {
  const key = `direction-${name}`;
  return knows(key) ? say(key) : name;
}
