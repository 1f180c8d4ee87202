// A slider with its name and its value, which can be read and moved by keys.

import { make } from './wall.js';

let count = 0;

export function slider(name, value, [least, most, step], moved) {
  const id = `slider-${++count}`,
    output = make('output', { textContent: format(value) });
  const input = make('input', { id, type: 'range', min: least, max: most, step });
  input.value = value;
  input.oninput = () => {
    output.textContent = format(input.value);
    moved(Number(input.value));
  };
  return make('label', { htmlFor: id }, make('span', { textContent: name }), input, output);
}

const format = (value) => String(Math.round(100 * value) / 100);

/** Let the value of each slider of the page stand beside it. */
export function showValues() {
  for (const input of document.querySelectorAll('input[type=range]')) {
    const output = input.parentElement.querySelector('output');
    if (output) output.textContent = format(input.value);
  }
}
