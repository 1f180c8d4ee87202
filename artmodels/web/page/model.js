// A model's files: their sizes are read first, their checksums compared, and what is not as it says is refused.

import { decodeText, fromHalf, gather, sha256 } from './bytes.js';
import { Complaint } from './words.js';

const FORMAT = 1,
  MAX_MANIFEST = 1_000_000,
  MAX_DIRECTIONS = 4 * 1024 ** 2,
  MAX_MODEL = 400_000_000;

async function fetchBytes(address, most, told) {
  let answer;
  try {
    answer = await fetch(address);
  } catch {
    throw new Complaint('no-network', { found: address.split('/').pop() });
  }
  if (answer.status === 404 || answer.status === 401 || answer.status === 403) return null;
  if (!answer.ok) throw new Complaint('no-network', { found: `${address.split('/').pop()} (${answer.status})` });
  try {
    return await gather(answer.body.getReader(), most, told);
  } catch (error) {
    if (error instanceof RangeError) throw new Complaint('model-damaged', { found: address.split('/').pop() });
    throw new Complaint('no-network', { found: address.split('/').pop() });
  }
}

/** What a model is, and how many bytes its files have, before any of them is fetched. */
export async function readManifest({ onnx, name, revision, directions }) {
  const content = await fetchBytes(`${onnx}manifest.json`, MAX_MANIFEST);
  if (!content) throw new Complaint('no-onnx', { name });
  let told;
  try {
    told = JSON.parse(decodeText(content));
  } catch {
    throw new Complaint('model-damaged', { found: 'manifest.json' });
  }
  if (told?.format !== FORMAT) throw new Complaint('model-newer', { name });
  const files = ['mapping', 'synthesis'].map((part) => told.files?.[part]);
  const right =
    files.every((file) => /^[\w.-]+$/.test(file?.name) && Number.isInteger(file.bytes) && file.bytes > 0) &&
    [told.resolution, told.latent_dim, told.layers].every(
      (number) => Number.isInteger(number) && number > 0 && number <= 4096,
    ) &&
    Array.isArray(told.styles) &&
    told.styles.length > 0 &&
    told.styles.every((style) => typeof style === 'string') &&
    /^[0-9a-f]{64}$/.test(told.weights_sha256);
  if (!right) throw new Complaint('model-damaged', { found: 'manifest.json' });
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  if (bytes > MAX_MODEL) throw new Complaint('model-too-large', { megabytes: Math.round(bytes / 1e6) });
  return {
    onnx,
    directionsAddress: directions,
    name: name ?? told.model,
    revision: revision ?? null,
    weightsSha256: told.weights_sha256,
    styles: told.styles,
    latentSize: told.latent_dim,
    layers: told.layers,
    resolution: told.resolution,
    parameters: told.parameters,
    license: told.license,
    provenance: told.provenance,
    files: told.files,
    bytes,
  };
}

/** The files of a manifest, and the directions beside them if there are any. */
export async function fetchModel(model, told) {
  const parts = {};
  let before = 0;
  for (const part of ['mapping', 'synthesis']) {
    const file = model.files[part];
    const content = await fetchBytes(model.onnx + file.name, file.bytes, (size) => told(before + size, model.bytes));
    if (!content || content.length !== file.bytes || (await sha256(content)) !== file.sha256) {
      throw new Complaint('model-damaged', { found: file.name });
    }
    parts[part] = content;
    before += file.bytes;
  }
  const content = model.directionsAddress ? await fetchBytes(model.directionsAddress, MAX_DIRECTIONS) : null;
  return { ...parts, directions: content ? await readDirections(content, model) : null };
}

/** Directions from their safetensors file; null where they are not of this model. */
async function readDirections(content, { layers, latentSize }) {
  try {
    const size = Number(new DataView(content.buffer, content.byteOffset).getBigUint64(0, true));
    const header = JSON.parse(decodeText(content.subarray(8, 8 + size)));
    const told = JSON.parse(header.__metadata__.directions),
      {
        dtype,
        shape,
        data_offsets: [first, last],
      } = header.vectors;
    const bytes = content.slice(8 + size + first, 8 + size + last);
    const numbers = dtype === 'F16' ? fromHalf(bytes) : new Float32Array(bytes.buffer);
    const length = (layers + 1) * latentSize;
    if (shape[1] !== layers + 1 || shape[2] !== latentSize || numbers.length !== shape[0] * length) return null;
    if (told.names.length !== shape[0] || !numbers.every((number) => Math.abs(number) <= 1000)) return null;
    const vectors = told.names.map((_, place) => numbers.slice(place * length, (place + 1) * length));
    return { names: told.names.map(String), vectors, sha256: await sha256(content) };
  } catch {
    return null;
  }
}
