// A canvas with a stream's picture, and over it what is known of it: each layer can be switched off.

import { colour } from "./page.js";

const TRAIL_S = 3;
const SURE = 0.3; // score from which a keypoint is drawn
export const LAYERS = { boxes: true, names: true, trails: true, zones: true, masks: true, memory: false, heat: false };

export class Picture {
  // shapes(): {areas: [[name, shape]], lines: [[name, shape]], grounds: [[name, shape]]} of this stream.
  constructor(canvas, layers, shapes = () => ({ areas: [], lines: [], grounds: [] })) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.layers = layers;
    this.shapes = shapes;
    this.head = null;
    this.kept = document.createElement("canvas"); // the picture itself, to draw on again
    this.trails = new Map();
    this.over = null; // draws on top: the editor
    this.resizing = new ResizeObserver(() => this.draw());
    this.resizing.observe(canvas);
  }

  close() {
    this.resizing.disconnect();
  }

  show(head, bitmap) {
    if (this.head?.session !== head.session) this.trails.clear();
    this.head = head;
    if (this.kept.width !== bitmap.width || this.kept.height !== bitmap.height) {
      this.kept.width = bitmap.width;
      this.kept.height = bitmap.height;
      this.canvas.style.aspectRatio = `${head.width} / ${head.height}`;
    }
    this.kept.getContext("2d").drawImage(bitmap, 0, 0);
    this.follow(head);
    this.draw();
    this.canvas.dataset.frame = head.frame;
    this.canvas.dataset.boxes = head.boxes.length;
  }

  follow(head) {
    head.boxes.forEach(([x1, , x2, y2], n) => {
      const track = head.tracks[n];
      if (track < 0) return;
      if (!this.trails.has(track)) this.trails.set(track, []);
      this.trails.get(track).push([head.time_s, (x1 + x2) / 2 / head.width, y2 / head.height]);
    });
    for (const [track, steps] of this.trails) {
      while (steps.length && steps[0][0] < head.time_s - TRAIL_S) steps.shift();
      if (!steps.length) this.trails.delete(track);
    }
  }

  draw() {
    const box = this.canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
    if (!width || !height || !this.head) return;
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const c = this.context;
    this.unit = Math.max(1, ratio * Math.min(1.4, box.width / 640));
    c.imageSmoothingQuality = "high";
    c.drawImage(this.kept, 0, 0, width, height);
    c.lineJoin = c.lineCap = "round";
    if (this.layers.heat && this.head.heat) this.drawHeat();
    if (this.layers.zones) this.drawZones();
    if (this.layers.trails) this.drawTrails();
    if (this.layers.masks && !this.head.drawn) this.drawMasks();
    if (!this.head.drawn) this.drawBoxes();
    if (this.layers.memory) this.drawMemory();
    this.over?.(c, width, height, this.unit);
  }

  drawHeat() {
    const { columns, rows, cells } = this.head.heat;
    const bytes = Uint8Array.from(atob(cells), (letter) => letter.charCodeAt(0));
    const pixels = new ImageData(columns, rows);
    bytes.forEach((value, n) => pixels.data.set([255, 70 + (255 - value) / 2, 0, value * 0.75], 4 * n));
    const small = new OffscreenCanvas(columns, rows);
    small.getContext("2d").putImageData(pixels, 0, 0);
    this.context.drawImage(small, 0, 0, this.canvas.width, this.canvas.height);
  }

  drawTrails() {
    const c = this.context;
    c.lineWidth = 1.5 * this.unit;
    for (const [track, steps] of this.trails) {
      c.strokeStyle = colour(track);
      c.beginPath();
      for (const [, x, y] of steps) c.lineTo(x * this.canvas.width, y * this.canvas.height);
      c.stroke();
    }
  }

  tint(n) {
    const track = this.head.tracks[n];
    return track >= 0 ? colour(track) : "hsl(0 0% 80%)";
  }

  // Masks as outlines, and keypoints with the lines of their skeleton.
  drawMasks() {
    const c = this.context;
    const [sx, sy] = [this.canvas.width / this.head.width, this.canvas.height / this.head.height];
    this.head.masks?.forEach((parts, n) => {
      c.beginPath();
      for (const part of parts) {
        part.forEach(([x, y], corner) => (corner ? c.lineTo(x * sx, y * sy) : c.moveTo(x * sx, y * sy)));
        c.closePath();
      }
      c.fillStyle = this.tint(n);
      c.globalAlpha = 0.4;
      c.fill();
      c.globalAlpha = 1;
    });
    this.head.keypoints?.forEach((points, n) => {
      c.strokeStyle = this.tint(n);
      c.lineWidth = 2 * this.unit;
      c.beginPath();
      for (const [from, to] of this.head.links) {
        if (Math.min(points[from][2], points[to][2]) < SURE) continue;
        c.moveTo(points[from][0] * sx, points[from][1] * sy);
        c.lineTo(points[to][0] * sx, points[to][1] * sy);
      }
      c.stroke();
      c.fillStyle = "white";
      for (const [x, y, score] of points) {
        if (score >= SURE) c.fillRect(x * sx - 2 * this.unit, y * sy - 2 * this.unit, 4 * this.unit, 4 * this.unit);
      }
    });
  }

  drawBoxes() {
    const c = this.context;
    const [sx, sy] = [this.canvas.width / this.head.width, this.canvas.height / this.head.height];
    this.head.boxes.forEach(([x1, y1, x2, y2], n) => {
      const track = this.head.tracks[n];
      const tint = this.tint(n);
      if (this.layers.boxes) {
        c.lineWidth = 2 * this.unit;
        c.strokeStyle = tint;
        c.strokeRect(x1 * sx, y1 * sy, (x2 - x1) * sx, (y2 - y1) * sy);
      }
      if (this.layers.names) {
        const speed = this.head.speeds?.[n];
        const text = [this.head.classes[n], track >= 0 ? track : "", speed == null ? "" : `${Math.round(3.6 * speed)} km/h`];
        this.label(text.filter((part) => part !== "").join(" "), x1 * sx, y1 * sy, tint);
      }
    });
  }

  // How much of each box is due to the past: a bar at its left, filled from below; held boxes are dashed.
  drawMemory() {
    const c = this.context;
    const [sx, sy] = [this.canvas.width / this.head.width, this.canvas.height / this.head.height];
    const width = 4 * this.unit;
    this.head.support?.forEach((support, n) => {
      const [x1, y1, x2, y2] = this.head.boxes[n];
      const height = (y2 - y1) * sy;
      c.fillStyle = "rgb(0 0 0 / 0.6)";
      c.fillRect(x1 * sx - width, y1 * sy, width, height);
      c.fillStyle = "rgb(255 140 0)";
      c.fillRect(x1 * sx - width, y1 * sy + height * (1 - support), width, height * support);
      if (!this.head.carried?.[n]) return;
      c.setLineDash([6 * this.unit, 5 * this.unit]);
      c.lineWidth = 3 * this.unit;
      c.strokeStyle = "rgb(255 140 0)";
      c.strokeRect(x1 * sx, y1 * sy, (x2 - x1) * sx, height);
      c.setLineDash([]);
    });
  }

  drawZones() {
    const c = this.context;
    const { areas, lines, grounds } = this.shapes();
    const counts = Object.fromEntries(this.head.zones.map((zone) => [zone.name, zone.counts]));
    for (const [name, { polygon }] of areas) {
      const inside = counts[name]?.inside ?? 0;
      this.path(polygon, true);
      c.fillStyle = inside ? "rgb(255 200 60 / 0.25)" : "rgb(255 200 60 / 0.08)";
      c.fill();
      c.lineWidth = 2 * this.unit;
      c.strokeStyle = "rgb(255 200 60)";
      c.stroke();
      const [x, y] = polygon.reduce((best, point) => (point[1] < best[1] ? point : best));
      this.label(`${name}: ${inside}`, x * this.canvas.width, y * this.canvas.height, "rgb(255 200 60)");
    }
    for (const [name, { image }] of grounds) {
      this.path(image, true);
      c.setLineDash([6 * this.unit, 5 * this.unit]);
      c.lineWidth = 1.5 * this.unit;
      c.strokeStyle = "rgb(140 230 150)";
      c.stroke();
      c.setLineDash([]);
      this.label(name, image[0][0] * this.canvas.width, image[0][1] * this.canvas.height, "rgb(140 230 150)");
    }
    for (const [name, { points }] of lines) {
      this.path(points, false);
      c.lineWidth = 3 * this.unit;
      c.strokeStyle = "rgb(90 209 255)";
      c.stroke();
      this.arrow(points);
      const { in: entered = 0, out = 0 } = counts[name] ?? {};
      const [x, y] = points[0];
      this.label(`${name}: ${entered} in, ${out} out`, x * this.canvas.width, y * this.canvas.height, "rgb(90 209 255)");
    }
  }

  path(points, closed) {
    const c = this.context;
    c.beginPath();
    for (const [x, y] of points) c.lineTo(x * this.canvas.width, y * this.canvas.height);
    if (closed) c.closePath();
  }

  // From the middle of a line to its right side: there is "in".
  arrow(points) {
    const c = this.context;
    const [[x1, y1], [x2, y2]] = points.map(([x, y]) => [x * this.canvas.width, y * this.canvas.height]);
    const angle = Math.atan2(y2 - y1, x2 - x1) + Math.PI / 2;
    const length = 18 * this.unit;
    c.save();
    c.translate((x1 + x2) / 2, (y1 + y2) / 2);
    c.rotate(angle);
    c.beginPath();
    c.moveTo(0, 0);
    c.lineTo(length, 0);
    c.moveTo(length * 0.6, -length * 0.3);
    c.lineTo(length, 0);
    c.lineTo(length * 0.6, length * 0.3);
    c.stroke();
    c.restore();
  }

  label(text, x, y, tint) {
    const c = this.context;
    const size = 10.5 * this.unit;
    c.font = `600 ${size}px system-ui, sans-serif`;
    const width = c.measureText(text).width + size * 0.6;
    const height = size * 1.35;
    const left = Math.max(0, Math.min(x - this.unit, this.canvas.width - width));
    const top = Math.max(0, y - height);
    c.fillStyle = tint;
    c.fillRect(left, top, width, height);
    c.fillStyle = "#101418";
    c.textBaseline = "middle";
    c.fillText(text, left + size * 0.3, top + height * 0.54);
  }
}
