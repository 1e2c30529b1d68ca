// Areas, lines and grounds that are drawn and dragged with a mouse, a finger or a pen; points are shares of the picture.

const REACH = 14; // pixels around a corner
// Of each kind: the key of its points, how many it has at least and at most, and what is said while it is drawn.
export const KINDS = {
  lines: { key: "points", least: 2, most: 2, hint: "Click where the line starts, and where it ends. Esc cancels." },
  areas: { key: "polygon", least: 3, most: 100, hint: "Click the corners. A click on the first one, or Enter, ends it. Esc cancels." },
  grounds: { key: "image", least: 4, most: 4, hint: "Click the four corners of a rectangle on the ground: far left, far right, near right, near left. Esc cancels." },
};

const clamp = (value) => Math.min(Math.max(value, 0), 1);
const rounded = (points) => points.map((point) => point.map((value) => Math.round(value * 1e4) / 1e4));

export class Editor {
  // shapes(): as in Picture; save(kind, name, shape); said(text) tells what to do.
  constructor(picture, shapes, save, said) {
    this.picture = picture;
    this.canvas = picture.canvas;
    this.shapes = shapes;
    this.save = save;
    this.said = said;
    this.drawing = null; // {kind, points}
    this.held = null; // {kind, name, shape, corner, from}
    this.pointer = null;
    picture.over = (...place) => this.draw(...place);
    this.canvas.addEventListener("pointerdown", (event) => this.press(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    this.canvas.addEventListener("pointerup", () => this.release());
    this.canvas.addEventListener("pointercancel", () => this.release());
    this.canvas.addEventListener("dblclick", () => this.finish());
  }

  start(kind) {
    this.drawing = { kind, points: [] };
    this.said(KINDS[kind].hint);
    this.canvas.classList.add("drawing");
    this.picture.draw();
  }

  cancel() {
    this.drawing = null;
    this.canvas.classList.remove("drawing");
    this.said("");
    this.picture.draw();
  }

  // Whether the key was meant for the editor.
  key(key) {
    if (!this.drawing) return false;
    if (key === "Escape") this.cancel();
    else if (key === "Enter") this.finish();
    else if (key === "Backspace") this.drawing.points.pop();
    else return false;
    this.picture.draw();
    return true;
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [clamp((event.clientX - box.left) / box.width), clamp((event.clientY - box.top) / box.height)];
  }

  near([x1, y1], [x2, y2]) {
    const box = this.canvas.getBoundingClientRect();
    return Math.hypot((x1 - x2) * box.width, (y1 - y2) * box.height) < REACH;
  }

  press(event) {
    const point = this.at(event);
    if (!this.drawing) {
      this.held = this.find(point);
      if (this.held) {
        this.canvas.setPointerCapture(event.pointerId);
        event.preventDefault();
      }
      return;
    }
    event.preventDefault();
    const { kind, points } = this.drawing;
    if (kind === "areas" && points.length > 2 && this.near(point, points[0])) {
      this.finish();
      return;
    }
    if (!points.length || !this.near(point, points.at(-1))) points.push(point);
    if (points.length === KINDS[kind].most) this.finish();
    this.picture.draw();
  }

  move(event) {
    this.pointer = this.at(event);
    if (this.held) {
      const [dx, dy] = [this.pointer[0] - this.held.from[0], this.pointer[1] - this.held.from[1]];
      const { key } = KINDS[this.held.kind];
      this.held.shape[key] = this.held.before.map(([x, y], n) =>
        this.held.corner === null || this.held.corner === n ? [clamp(x + dx), clamp(y + dy)] : [x, y]);
      this.held.moved = true;
    }
    this.canvas.classList.toggle("grab", !this.drawing && Boolean(this.held ?? this.find(this.pointer)));
    if (this.held || this.drawing) this.picture.draw();
  }

  release() {
    const held = this.held;
    this.held = null;
    if (!held?.moved) return;
    const { key } = KINDS[held.kind];
    held.shape[key] = rounded(held.shape[key]);
    this.save(held.kind, held.name, held.shape);
  }

  finish() {
    if (!this.drawing) return;
    const { kind, points } = this.drawing;
    if (points.length < KINDS[kind].least) return;
    this.cancel();
    this.save(kind, null, { [KINDS[kind].key]: rounded(points) });
  }

  // What a pointer takes hold of: a corner, or a whole line by its middle.
  find(point) {
    if (!this.picture.layers.zones) return null;
    const shapes = this.shapes();
    for (const [kind, { key }] of Object.entries(KINDS)) {
      for (const [name, shape] of shapes[kind]) {
        const corner = shape[key].findIndex((each) => this.near(each, point));
        const middle = shape[key].reduce(([x, y], each) => [x + each[0] / shape[key].length, y + each[1] / shape[key].length], [0, 0]);
        if (corner >= 0 || this.near(middle, point)) {
          return { kind, name, shape, corner: corner >= 0 ? corner : null, from: point, before: shape[key] };
        }
      }
    }
    return null;
  }

  draw(c, width, height, unit) {
    const dot = ([x, y], size, tint) => {
      c.beginPath();
      c.arc(x * width, y * height, size * unit, 0, 7);
      c.fillStyle = tint;
      c.fill();
    };
    if (this.picture.layers.zones && !this.drawing) {
      const shapes = this.shapes();
      for (const [kind, { key }] of Object.entries(KINDS)) for (const [, shape] of shapes[kind]) for (const point of shape[key]) dot(point, 4, "#fff");
    }
    if (!this.drawing) return;
    const points = [...this.drawing.points, ...(this.pointer ? [this.pointer] : [])];
    c.beginPath();
    for (const [x, y] of points) c.lineTo(x * width, y * height);
    c.setLineDash([6 * unit, 4 * unit]);
    c.lineWidth = 2 * unit;
    c.strokeStyle = "#fff";
    c.stroke();
    c.setLineDash([]);
    this.drawing.points.forEach((point, n) => dot(point, n ? 4 : 7, n ? "#fff" : "rgb(255 200 60)"));
  }
}
