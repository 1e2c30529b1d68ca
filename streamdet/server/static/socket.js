// The live connection: pictures with what belongs to them, the state of all streams, and events as they happen.

const decoder = new TextDecoder();

export class Live {
  constructor() {
    this.wants = {};
    this.listeners = new Set();
    this.status = null;
    this.pause = 500;
    this.open();
  }

  // The listener has any of picture(head, bitmap), status(status), events(told) and link(connected).
  listen(listener) {
    this.listeners.add(listener);
    if (this.status) listener.status?.(this.status);
    return () => this.listeners.delete(listener);
  }

  // wants: {name: {width, fps}}
  watch(wants) {
    this.wants = wants;
    this.send({ watch: wants });
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  open() {
    this.socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.pause = 500;
      this.tell("link", true);
      this.watch(this.wants);
    };
    this.socket.onmessage = (event) => this.take(event.data);
    this.socket.onclose = () => {
      this.tell("link", false);
      setTimeout(() => this.again(), this.pause);
      this.pause = Math.min(this.pause * 2, 8000);
    };
  }

  // A server that was restarted may want the token again; a socket cannot tell.
  async again() {
    const answer = await fetch("/api/streams").catch(() => null);
    if (answer?.status === 401) location.replace("/login");
    else this.open();
  }

  async take(data) {
    if (typeof data === "string") {
      const said = JSON.parse(data);
      if (said.type === "status") this.status = said;
      this.tell(said.type, said);
      return;
    }
    const length = new DataView(data).getUint32(0);
    const head = JSON.parse(decoder.decode(new Uint8Array(data, 4, length)));
    try {
      const bitmap = await createImageBitmap(new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }));
      if (head.stream in this.wants) this.tell("picture", head, bitmap);
      bitmap.close();
    } finally {
      this.send({ seen: head.stream });
    }
  }

  tell(what, ...values) {
    for (const listener of this.listeners) listener[what]?.(...values);
  }
}
