// Recipes: all that makes a picture, as artmodels/generate/recipe.py has them, in and out of links.

import { deflate, decodeText, encodeText, fromBase64, fromHalf, inflate, sha256, toBase64 } from './bytes.js';
import { Complaint } from './words.js';

export const SCHEMA = 1,
  SEED_LIMIT = 2 ** 32,
  MAX_EDITS = 16;
export const FIRST_SEED = 1,
  FIRST_TRUNCATION = 0.8;
const MAX_RECIPE_BYTES = 1_000_000,
  MAX_LINK = 6000,
  MAX_ITEMS = 1000,
  MAX_NAME = 200,
  MAX_TRUNCATION = 1.5;
const MAX_AMOUNT = 10,
  MAX_ROWS = 49_152,
  MAX_ROW = 1000;
const MAX_ONE_RECIPE = 250_000;
const KNOWN = [
  'model',
  'weights_sha256',
  'latents',
  'style_weights',
  'truncation',
  'edits',
  'schema',
  'revision',
  'projection',
];
const CONSONANTS = 'bcdfghjklmnpqrstvwxyz',
  VOWELS = 'aeiou',
  SHORT_SEED = 100_000;

const isNumber = (value) => typeof value === 'number' && Math.abs(value) < 1e300;
const isSeed = (value) => Number.isInteger(value) && value >= 0 && value < SEED_LIMIT;
const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
const isText = (value, most) => typeof value === 'string' && value.length > 0 && value.length <= most;
const isDigest = (value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);

const hasOnly = (value, ...keys) => isObject(value) && Object.keys(value).every((key) => keys.includes(key));

function require(condition, field) {
  if (!condition) throw new Complaint('recipe-wrong', { field });
}

/** The recipe of one seed in a mix of styles; with `of`, a layout of that style alone. */
export function seedRecipe(model, weights, seed, truncation, of = null) {
  return parseRecipe({
    model: model.name,
    weights_sha256: model.weightsSha256,
    revision: model.revision,
    schema: SCHEMA,
    latents: [of === null ? { seed, weight: 1 } : { seed, weight: 1, of }],
    style_weights: weights,
    truncation,
    edits: [],
  });
}

/** A recipe from an object that was JSON, checked, with every field that it may leave out. */
export function parseRecipe(data) {
  if (isObject(data) && 'made_by' in data) throw new Complaint('made-from-others');
  require(hasOnly(data, ...KNOWN), 'recipe');
  if (data.schema !== SCHEMA) throw new Complaint('recipe-newer');
  require(isText(data.model, 200), 'model');
  require(isDigest(data.weights_sha256), 'weights_sha256');
  const revision = data.revision ?? null;
  require(revision === null || (typeof revision === 'string' && /^[0-9a-f]{40}$/.test(revision)), 'revision');
  require(isNumber(data.truncation) && data.truncation >= 0 && data.truncation <= MAX_TRUNCATION, 'truncation');
  const { edits = [] } = data;
  require(Array.isArray(edits) && edits.length <= MAX_EDITS, 'edits');
  const recipe = {
    model: data.model,
    weights_sha256: data.weights_sha256,
    latents: readLatents(data.latents),
    style_weights: readWeights(data.style_weights),
    truncation: data.truncation,
    edits: edits.map(readEdit),
    schema: SCHEMA,
    revision,
  };
  if (data.projection != null) recipe.projection = readProjection(data.projection);
  const count = recipe.edits.reduce((sum, edit) => sum + (edit.latents?.length ?? 0), recipe.latents.length);
  require(count <= MAX_ITEMS, 'latents');
  require(toJson(recipe).length <= MAX_ONE_RECIPE, 'recipe');
  return recipe;
}

function readProjection(projection) {
  require(hasOnly(projection, 'input_sha256', 'seed', 'steps') && isDigest(projection.input_sha256), 'projection');
  const { seed, steps } = projection;
  require(isSeed(seed) && Number.isInteger(steps) && steps > 0 && steps <= 1_000_000, 'projection');
  return { ...projection };
}

function readLatents(latents) {
  require(Array.isArray(latents) && latents.length > 0 && latents.length <= MAX_ITEMS, 'latents');
  const read = latents.map((each) => {
    require(hasOnly(each, 'seed', 'weight', 'rows', 'of') && isSeed(each.seed), 'seed');
    const { weight = 1 } = each;
    require(isNumber(weight) && Math.abs(weight) <= 100, 'weight');
    const latent = { seed: each.seed, weight };
    if (each.rows != null) {
      unpackRows(each.rows);
      latent.rows = each.rows;
    }
    if (each.of != null) {
      require(isText(each.of, MAX_NAME), 'of');
      latent.of = each.of;
    }
    return latent;
  });
  require(read.reduce((sum, { weight }) => sum + weight ** 2, 0) > 1e-6, 'weights');
  return read;
}

function readWeights(weights) {
  require(isObject(weights) &&
    Object.keys(weights).length > 0 &&
    Object.keys(weights).length <= MAX_ITEMS, 'style_weights');
  const shares = Object.values(weights);
  require(shares.every((share) => isNumber(share) && share >= 0), 'style_weights');
  require(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-3, 'style_weights');
  return { ...weights };
}

function readEdit(edit) {
  if (edit?.kind === 'layers') {
    require(hasOnly(edit, 'first', 'latents', 'style_weights', 'kind'), 'layers');
    require(Number.isInteger(edit.first) && edit.first >= 1 && edit.first <= 16, 'first');
    const { first } = edit;
    return {
      first,
      latents: readLatents(edit.latents),
      style_weights: readWeights(edit.style_weights),
      kind: 'layers',
    };
  }
  if (edit?.kind !== 'direction') throw new Complaint('recipe-newer');
  require(hasOnly(edit, 'name', 'amount', 'sha256', 'kind'), 'direction');
  require(isText(edit.name, 100), 'name');
  require(isNumber(edit.amount) && Math.abs(edit.amount) <= MAX_AMOUNT, 'amount');
  require(isDigest(edit.sha256), 'sha256');
  return { name: edit.name, amount: edit.amount, sha256: edit.sha256, kind: 'direction' };
}

/** The numbers of a latent that was found for a picture: rows of half precision in base64. */
export function unpackRows(text) {
  require(isText(text, MAX_ROWS), 'rows');
  let bytes;
  try {
    bytes = fromBase64(text);
  } catch {
    require(false, 'rows');
  }
  require(bytes.length % 2 === 0, 'rows');
  const numbers = fromHalf(bytes);
  require(numbers.every((number) => Math.abs(number) <= MAX_ROW), 'rows');
  return numbers;
}

export const isFound = (recipe) =>
  [recipe, ...recipe.edits].some((part) => part.latents?.some((latent) => latent.rows !== undefined));

// JSON

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}

export const toJson = (recipe) => JSON.stringify(sorted(recipe));

/** JSON as Python writes it when every number is a float: what a recipe's digest is taken of. */
function pythonJson(value) {
  if (typeof value === 'number') return Number.isInteger(value) ? `${value}.0` : String(value);
  if (typeof value === 'string') {
    return JSON.stringify(value).replace(
      /[^\x20-\x7e]/g,
      (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
  }
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(', ')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const items = Object.keys(value)
    .sort()
    .map((key) => `${pythonJson(key)}: ${pythonJson(value[key])}`);
  return `{${items.join(', ')}}`;
}

export const digestOf = (recipe) => sha256(encodeText(pythonJson(recipe)));

// Links

/** The query of a link: a short one where two words say it all, else the whole recipe. */
export async function linkOf(recipe) {
  const [latent] = recipe.latents,
    [style] = Object.keys(recipe.style_weights);
  const plain = recipe.latents.length === 1 && !recipe.edits.length && Object.keys(recipe.style_weights).length === 1;
  if (plain && latent.of === style && latent.weight === 1 && recipe.truncation === FIRST_TRUNCATION) {
    return `?${new URLSearchParams({ style, seed: latent.seed })}`;
  }
  return longLinkOf(recipe);
}

export async function longLinkOf(recipe) {
  if (isFound(recipe)) throw new Complaint('link-too-long');
  const packed = await deflate(encodeText(toJson(recipe)));
  const text = toBase64(packed).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
  if (text.length > MAX_LINK) throw new Complaint('link-too-long');
  return `?recipe=${text}`;
}

async function fromLink(text) {
  let content;
  try {
    require(/^[\w-]+$/.test(text) && text.length <= MAX_LINK, 'link');
    const padded = text.replaceAll('-', '+').replaceAll('_', '/') + '='.repeat((4 - (text.length % 4)) % 4);
    content = decodeText(await inflate(fromBase64(padded), MAX_RECIPE_BYTES));
  } catch {
    throw new Complaint('link-damaged');
  }
  return parseText(content);
}

function parseText(text) {
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    throw new Complaint('link-damaged');
  }
  return parseRecipe(Array.isArray(data) ? data[0] : data);
}

/** The recipe in a link of the studio's or of this page's, in its last part alone, or in JSON; and the page to open. */
export async function recipeOfText(text, model) {
  text = text.trim();
  if (!text) throw new Complaint('no-recipe-text');
  if (/^[{[]/.test(text)) return { recipe: parseText(text), open: '' };
  const mark = text.lastIndexOf('?');
  if (mark < 0) return { recipe: await fromLink(text), open: '' };
  const parts = new URLSearchParams(text.slice(mark + 1).split('#')[0]);
  if (parts.has('recipe')) return { recipe: await fromLink(parts.get('recipe')), open: parts.get('open') ?? '' };
  if (parts.has('style') || parts.has('seed')) return { recipe: shortRecipe(parts, model), open: '' };
  throw new Complaint('no-recipe-text');
}

function shortRecipe(parts, model) {
  const style = parts.get('style') ?? model.styles[0],
    seed = (parts.get('seed') ?? String(FIRST_SEED)).trim();
  if (!model.styles.includes(style)) {
    throw new Complaint('no-style', { found: `'${style.slice(0, 80)}'`, styles: model.styles.join(', ') });
  }
  if (!/^\d{1,12}$/.test(seed) || !isSeed(Number(seed))) throw new Complaint('no-seed', { found: seed.slice(0, 40) });
  return seedRecipe(model, { [style]: 1 }, Number(seed), FIRST_TRUNCATION, style);
}

export const asks = (query) => /[?&](recipe|style|seed)=/.test(query);

// Names

/** What a picture is called, as the studio calls it; `styleName` and `say` speak the visitor's language. */
export async function captionOf(recipe, styleName, say) {
  const shares = Object.entries(recipe.style_weights).sort((one, other) => other[1] - one[1]);
  const named = shares
    .slice(0, 3)
    .filter(([, share]) => share > 0)
    .map(([style, share]) => `${styleName(style)} ${Math.round(100 * share)}`);
  const styles = named.length > 1 ? named.join(' + ') + (shares.length > 3 ? ' …' : '') : styleName(shares[0][0]);
  const seed = recipe.latents[0].seed;
  const own = recipe.latents.length > 1 ? ` · ${spoken(await digestOf(recipe))}` : '';
  const numbered = named.length > 1 ? 'numbered-mix' : 'numbered';
  const name = own && seed >= SHORT_SEED ? styles : say(numbered, { styles, seed });
  return `${name}${own}${recipe.edits.length ? ' ✎' : ''}`;
}

function spoken(digest) {
  let number = parseInt(digest.slice(0, 12), 16), letters = '';
  for (let place = 0; place < 5; place += 1) {
    const kind = place % 2 ? VOWELS : CONSONANTS;
    letters += kind[number % kind.length];
    number = Math.floor(number / kind.length);
  }
  return letters;
}

/** `ukiyo-e-7.png` of a plain seed, else the main style with digits of the recipe's digest. */
export async function fileNameOf(recipe) {
  const [[main]] = Object.entries(recipe.style_weights).sort((one, other) => other[1] - one[1]);
  const stem = main.replace(/[^\p{L}\p{N}_-]/gu, '-').slice(0, 80);
  const plain = recipe.latents.length === 1 && Object.keys(recipe.style_weights).length === 1 && !recipe.edits.length;
  return `${stem}-${plain ? recipe.latents[0].seed : (await digestOf(recipe)).slice(0, 10)}.png`;
}
