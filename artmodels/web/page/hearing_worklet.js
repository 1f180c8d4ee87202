// The ear of the page Live, on the thread of the sound: it tells what begins, and passes no sound on.

import { Hearing } from './hearing.js';

class Ear extends AudioWorkletProcessor {
  constructor() {
    super();
    this.hearing = new Hearing(sampleRate);
    this.port.onmessage = () => {
      this.ended = true;
    };
  }

  process([[samples]]) {
    if (samples) {
      this.hearing.listen(samples, ({ accents }) => {
        if (accents.some(Boolean)) this.port.postMessage(accents);
      });
    }
    return !this.ended;
  }
}

registerProcessor('ear', Ear);
