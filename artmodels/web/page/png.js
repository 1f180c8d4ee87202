// PNG files (ISO/IEC 15948) that carry a recipe in an iTXt chunk, as the studio writes and reads them.

import { crc32, decodeText, deflate, encodeText, inflate } from './bytes.js';
import { Complaint } from './words.js';

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10],
  KEYWORD = 'artmodels',
  MOST_TEXT = 1_000_000;

function chunk(kind, ...parts) {
  const size = parts.reduce((sum, part) => sum + part.length, 0),
    whole = new Uint8Array(size + 12);
  const view = new DataView(whole.buffer);
  view.setUint32(0, size);
  whole.set(encodeText(kind), 4);
  let place = 8;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  view.setUint32(place, crc32(whole.subarray(4, place)));
  return whole;
}

/** A square picture of `levels`, RGBA, as a PNG of RGB that carries a text. */
export async function encodePng(levels, side, text) {
  const header = new Uint8Array(13),
    view = new DataView(header.buffer);
  view.setUint32(0, side);
  view.setUint32(4, side);
  header.set([8, 2, 0, 0, 0], 8); // eight bits of each of three colours
  const lines = new Uint8Array(side * (3 * side + 1));
  let place = 0;
  for (let row = 0; row < side; row++) {
    place++; // unfiltered
    for (let column = 0; column < side; column++) {
      const from = 4 * (row * side + column);
      lines[place++] = levels[from];
      lines[place++] = levels[from + 1];
      lines[place++] = levels[from + 2];
    }
  }
  const words = chunk('iTXt', encodeText(KEYWORD), new Uint8Array(5), encodeText(text));
  const parts = [
    new Uint8Array(SIGNATURE),
    chunk('IHDR', header),
    words,
    chunk('IDAT', await deflate(lines)),
    chunk('IEND'),
  ];
  return new Blob(parts, { type: 'image/png' });
}

/** The recipe's text in a PNG. */
export async function readPng(bytes) {
  if (!SIGNATURE.every((byte, place) => bytes[place] === byte)) throw new Complaint('no-png', { name: 'PNG' });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let place = 8; place + 12 <= bytes.length;) {
    const size = view.getUint32(place),
      kind = String.fromCharCode(...bytes.subarray(place + 4, place + 8));
    const content = bytes.subarray(place + 8, place + 8 + size);
    if (kind === 'iTXt') {
      const text = await textIn(content);
      if (text !== null) return text;
    }
    place += 12 + size;
  }
  throw new Complaint('no-recipe', { name: 'PNG' });
}

async function textIn(content) {
  const end = content.indexOf(0);
  if (end < 0 || String.fromCharCode(...content.subarray(0, Math.min(end, 80))) !== KEYWORD) return null;
  const language = content.indexOf(0, end + 3),
    translated = content.indexOf(0, language + 1);
  const words = content.subarray(translated + 1);
  try {
    return decodeText(content[end + 1] ? await inflate(words, MOST_TEXT) : words);
  } catch {
    throw new Complaint('link-damaged');
  }
}
