// What begins in a sound, while it sounds: the strength of onsets in three bands, after artmodels/signals/listening.py.
//
// Spectral flux: the rises of the filters' powers against the neighbouring filters' loudest shortly before, so that
// neither vibrato nor a held chord is an onset (after SuperFlux, Böck and Widmer 2013). It knows nothing of what is
// still to come: each frame ends where it is heard, and is measured by the strongest of the last seconds instead of a
// percentile of the whole piece. What stands out from the mean before it is an onset (Böck, Krebs and Schedl 2012).

export const BANDS = [
  [30, 200],
  [200, 2_000],
  [2_000, 12_000],
]; // Hz: low, mid, high
const FILTERS = 8, // in each band
  FRAMES_PER_SECOND = 100,
  WINDOW = 1_024 / 24_000, // seconds
  COMPRESSION = 1_000, // of powers, before differences are taken: as loud is to soft
  RISE = 2, // frames that a rise takes
  MEMORY = 6, // frames by which what was there before counts
  LEAST_FLUX = 0.04; // of what begins: the tones of a held chord beat by less
const SILENCE = 1e-6, // mean square below which nothing is heard: -60 dB of full scale
  LEAST_PEAK = 0.05,
  LEAST_SHARE = 0.2, // of the loudest band's peak, for a band that is far below it
  PEAK_SECONDS = 8, // in which a peak is forgotten by 1/e
  MEAN_SECONDS = 0.25,
  STANDS_OUT = 0.1;

const fading = (seconds) => Math.exp(-1 / (seconds * FRAMES_PER_SECOND));

export class Hearing {
  /** `rate` in samples a second. */
  constructor(rate) {
    this.hop = Math.round(rate / FRAMES_PER_SECOND);
    this.window = 2 ** Math.round(Math.log2(WINDOW * rate));
    this.taper = hann(this.window);
    this.filters = filterBank(rate, this.window);
    this.recent = new Float32Array(this.window);
    this.since = 0; // samples after the last frame
    this.past = Array.from({ length: MEMORY }, () => BANDS.map(() => Array(FILTERS).fill(0)));
    this.peaks = BANDS.map(() => 0);
    this.means = BANDS.map(() => 0);
  }

  /** Hear further samples; `told` gets { fluxes, strengths, accents } of each frame: low, mid and high. */
  listen(samples, told) {
    for (let place = 0; place < samples.length; ) {
      const part = samples.subarray(place, place + this.hop - this.since);
      this.recent.copyWithin(0, part.length);
      this.recent.set(part, this.window - part.length);
      place += part.length;
      this.since += part.length;
      if (this.since === this.hop) {
        this.since = 0;
        told(this.frame());
      }
    }
  }

  frame() {
    const powers = powerSpectrum(this.recent, this.taper);
    const bands = this.filters.map((band) =>
      band.map(({ first, weights }) => {
        const power = weights.reduce((sum, weight, bin) => sum + weight * powers[first + bin], 0);
        return Math.log1p(COMPRESSION * power);
      }),
    );
    const before = this.past.slice(0, MEMORY - RISE + 1);
    this.past = [...this.past.slice(1), bands];
    return this.measure(bands.map((band, number) => flux(band, before.map((frame) => frame[number]))));
  }

  /** Fluxes; their strengths, 0 to 1, by the peaks of late; and the strengths of onsets, 0 elsewhere. */
  measure(fluxes) {
    this.peaks = this.peaks.map((peak, band) => Math.max(fluxes[band], peak * fading(PEAK_SECONDS)));
    const loudest = Math.max(...this.peaks);
    const heard = this.recent.reduce((sum, sample) => sum + sample * sample, 0) / this.window > SILENCE;
    const strengths = fluxes.map((each, band) =>
      heard ? each / Math.max(this.peaks[band], LEAST_SHARE * loudest, LEAST_PEAK) : 0,
    );
    const accents = strengths.map((strength, band) => (strength >= this.means[band] + STANDS_OUT ? strength : 0));
    const kept = fading(MEAN_SECONDS);
    this.means = this.means.map((mean, band) => kept * mean + (1 - kept) * strengths[band]);
    return { fluxes, strengths, accents };
  }
}

/** The mean rise of a band's filters above what they and their neighbours had in the frames before. */
function flux(band, before) {
  const rises = band.map((power, place) => {
    const near = before.flatMap((filters) => filters.slice(Math.max(0, place - 1), place + 2));
    return Math.max(0, power - Math.max(...near));
  });
  return Math.max(0, rises.reduce((sum, rise) => sum + rise, 0) / FILTERS - LEAST_FLUX);
}

/** A window that sums to 1. */
function hann(size) {
  return Float64Array.from({ length: size }, (_, place) => (1 - Math.cos((2 * Math.PI * place) / size)) / size);
}

/** Overlapping triangles, evenly spaced by the octave within each band: { first bin, weights from there on }. */
function filterBank(rate, window) {
  const hertz = Array.from({ length: window / 2 + 1 }, (_, bin) => (bin * rate) / window);
  return BANDS.map(([low, high]) => {
    const edge = (number) => low * (high / low) ** (number / (FILTERS + 1));
    return Array.from({ length: FILTERS }, (_, number) =>
      triangle(hertz, edge(number), edge(number + 1), edge(number + 2)),
    );
  });
}

function triangle(hertz, left, middle, right) {
  const weights = hertz.map((each) =>
    Math.max(0, Math.min((each - left) / (middle - left), (right - each) / (right - middle))),
  );
  const nearest = Math.min(hertz.length - 1, Math.round(middle / hertz[1]));
  weights[nearest] = Math.max(weights[nearest], 0.5); // a filter narrower than a bin has that bin
  const first = weights.findIndex(Boolean),
    count = weights.filter(Boolean).length; // which lie side by side
  return { first, weights: weights.slice(first, first + count) };
}

/** Powers of the bins 0 to half the window; a full-scale sine has 1/4 at its bin. */
function powerSpectrum(samples, taper) {
  const real = Float64Array.from(samples, (sample, place) => sample * taper[place]),
    imaginary = new Float64Array(samples.length);
  transform(real, imaginary);
  return Float64Array.from({ length: samples.length / 2 + 1 }, (_, bin) => real[bin] ** 2 + imaginary[bin] ** 2);
}

/** The Fourier transform in place, of a power of two of numbers (Cooley and Tukey 1965). */
function transform(real, imaginary) {
  const size = real.length;
  for (let place = 1, mirrored = 0; place < size; place++) {
    let bit = size >> 1;
    for (; mirrored & bit; bit >>= 1) mirrored ^= bit;
    mirrored ^= bit;
    if (place < mirrored) for (const part of [real, imaginary]) swap(part, place, mirrored);
  }
  for (let length = 2; length <= size; length *= 2) {
    const half = length / 2;
    for (let turn = 0; turn < half; turn++) {
      const cosine = Math.cos((-2 * Math.PI * turn) / length),
        sine = Math.sin((-2 * Math.PI * turn) / length);
      for (let one = turn; one < size; one += length) {
        const other = one + half;
        const x = cosine * real[other] - sine * imaginary[other],
          y = cosine * imaginary[other] + sine * real[other];
        real[other] = real[one] - x;
        imaginary[other] = imaginary[one] - y;
        real[one] += x;
        imaginary[one] += y;
      }
    }
  }
}

function swap(numbers, one, other) {
  [numbers[one], numbers[other]] = [numbers[other], numbers[one]];
}
