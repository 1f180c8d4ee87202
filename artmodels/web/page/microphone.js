// The visitor's microphone: opened, listened to in this browser, and released.

import { Complaint } from './words.js';

const UNTOUCHED = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const REFUSALS = {
  NotAllowedError: 'live-refused',
  SecurityError: 'live-refused',
  NotFoundError: 'live-no-device',
  NotReadableError: 'live-busy',
};

/** Its sound, as it is; raises a complaint where there is none to be had. */
async function openStream() {
  if (!navigator.mediaDevices?.getUserMedia) throw new Complaint('live-no-way');
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: UNTOUCHED });
  } catch ({ name }) {
    throw new Complaint(REFUSALS[name] ?? 'live-fails', { found: name });
  }
}

export class Microphone {
  /** `heard` gets the accents of each frame in which something begins; `lost` is called if the device goes away. */
  static async open(heard, lost) {
    const microphone = new Microphone();
    microphone.context = new AudioContext({ latencyHint: 'interactive' }); // at once: it takes the visitor's click
    try {
      microphone.stream = await openStream();
      await microphone.connect(heard, lost);
    } catch (error) {
      microphone.close();
      throw error;
    }
    return microphone;
  }

  async connect(heard, lost) {
    const { context, stream } = this;
    await context.audioWorklet.addModule(new URL('hearing_worklet.js', import.meta.url));
    this.source = context.createMediaStreamSource(stream);
    this.ear = new AudioWorkletNode(context, 'ear', { channelCount: 1, channelCountMode: 'explicit' });
    this.ear.port.onmessage = ({ data }) => heard(data);
    this.source.connect(this.ear).connect(context.destination); // silence, but what leads nowhere is not run
    for (const track of stream.getTracks()) track.onended = lost;
    await context.resume();
  }

  close() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.ear?.port.postMessage('end');
    this.context.close();
  }
}
