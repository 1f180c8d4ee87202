// The normal numbers that PyTorch draws on a CPU for a seed, so that a seed is the same picture here.
// Its generator is the Mersenne Twister (Matsumoto and Nishimura 1998); its two ways to normal numbers are those of
// aten/src/ATen/native/cpu/DistributionTemplates.h and aten/src/ATen/core/DistributionsHelper.h, both Box and Muller's.

const SIZE = 624,
  MIDDLE = 397,
  BLOCK = 16;
const round = Math.fround;

export class MersenneTwister {
  constructor(seed) {
    this.state = new Uint32Array(SIZE);
    this.state[0] = seed;
    for (let place = 1; place < SIZE; place++) {
      const before = this.state[place - 1] ^ (this.state[place - 1] >>> 30);
      this.state[place] = Math.imul(1812433253, before) + place;
    }
    this.place = SIZE;
  }

  /** A whole number, 0 <= number < 2**32. */
  next() {
    if (this.place === SIZE) this.turn();
    let number = this.state[this.place++];
    number ^= number >>> 11;
    number ^= (number << 7) & 0x9d2c5680;
    number ^= (number << 15) & 0xefc60000;
    return (number ^ (number >>> 18)) >>> 0;
  }

  turn() {
    const { state } = this;
    for (let place = 0; place < SIZE; place++) {
      const mixed = (state[place] & 0x80000000) | (state[(place + 1) % SIZE] & 0x7fffffff);
      state[place] = state[(place + MIDDLE) % SIZE] ^ (mixed >>> 1) ^ (mixed & 1 ? 0x9908b0df : 0);
    }
    this.place = 0;
  }

  /** A multiple of 2**-24 in [0, 1). */
  single() {
    return (this.next() & 0xffffff) / 2 ** 24;
  }

  /** A multiple of 2**-53 in [0, 1). */
  double() {
    const high = this.next(),
      low = this.next();
    return ((high & 0x1fffff) * 2 ** 32 + low) / 2 ** 53;
  }
}

/** What torch.randn(count, generator=torch.Generator().manual_seed(seed)) draws, within 1e-6: a Float32Array. */
export function normals(seed, count) {
  const twister = new MersenneTwister(seed);
  return count < BLOCK ? inPairs(twister, count) : inBlocks(twister, count);
}

function inPairs(twister, count) {
  const numbers = new Float32Array(count);
  for (let place = 0; place < count; place += 2) {
    const angle = 2 * Math.PI * twister.double();
    const radius = Math.sqrt(-2 * Math.log1p(-twister.double()));
    numbers[place] = radius * Math.cos(angle);
    if (place + 1 < count) numbers[place + 1] = radius * Math.sin(angle);
  }
  return numbers;
}

function inBlocks(twister, count) {
  const numbers = new Float32Array(count);
  for (let place = 0; place < count; place++) numbers[place] = twister.single();
  for (let start = 0; start + BLOCK <= count; start += BLOCK) toNormal(numbers.subarray(start, start + BLOCK));
  if (count % BLOCK) {
    // the last block overlaps the one before, and is drawn anew
    const last = numbers.subarray(count - BLOCK);
    for (let place = 0; place < BLOCK; place++) last[place] = twister.single();
    toNormal(last);
  }
  return numbers;
}

function toNormal(block) {
  const half = BLOCK / 2;
  for (let place = 0; place < half; place++) {
    const radius = round(Math.sqrt(round(-2 * round(Math.log(round(1 - block[place]))))));
    const angle = round(round(2 * Math.PI) * block[place + half]);
    block[place] = radius * round(Math.cos(angle));
    block[place + half] = radius * round(Math.sin(angle));
  }
}
