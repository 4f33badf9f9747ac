// One variant beside its source: layers of canvases, and how they are compared.

import { plane } from "./api.js";
import { by, el, say } from "./dom.js";
import { paint, paintBoxes, paintMarks, paintPicture } from "./pixels.js";
import { state } from "./state.js";

export class Stage {
  constructor(entry, name) {
    this.entry = entry;
    this.k = entry.slice;
    this.window = [...entry.window];
    this.zoom = 1;
    this.cut = 50;
    this.showing = "result";
    const canvas = (what) => el("canvas", { role: "img", "aria-label": `${what} of ${name}` });
    this.result = canvas("Result");
    this.source = canvas("Source");
    this.overlays = [0, 1].map(() => ["marks", "boxes"].map(() => el("canvas", { "aria-hidden": "true", class: "over" })));
    this.panes = [this.result, this.source].map((one, n) => el("div", { class: "pane" }, one, ...this.overlays[n],
      el("span", { class: "tag", "aria-hidden": "true" }, n ? "source" : "result")));
    this.root = el("div", { class: "stage", tabindex: 0, role: "region", "aria-label": "Image; arrow keys scroll it" }, ...this.panes);
  }

  get slices() {
    return this.entry.shape[0];
  }

  async load() {
    const { unit, shape: [, rows, columns], real: known, marks } = this.entry;
    const wanted = this.k;
    const get = (path, kind) => plane(`${path}/${this.k}`, kind);
    const [result, real, mark] = await Promise.all([
      get(`values/${unit}/result`, Float32Array),
      known ? get(`values/${unit}/source`, Float32Array) : null,
      marks ? get(`marks/${unit}`, Uint8Array) : null,
    ]);
    if (wanted !== this.k) return; // the reader scrolled on
    this.planes = { result, real };
    if (!real) {
      if (this.k === this.entry.slice) await paintPicture(this.source, `preview/${unit}/source.png`, rows, columns);
      else paintBoxes(this.source, [], 0, rows, columns);
    }
    for (const [marked, boxed] of this.overlays) {
      if (mark) paintMarks(marked, mark);
      paintBoxes(boxed, this.entry.boxes, this.k, rows, columns);
    }
    this.draw();
  }

  draw() {
    const { result, real } = this.planes;
    paint(this.result, result, this.window, this.entry.inverted);
    if (real) paint(this.source, real, this.window, this.entry.inverted);
    this.arrange();
  }

  arrange() {
    const [one, other] = this.panes;
    const beside = state.mode === "side";
    this.root.classList.toggle("beside", beside);
    const { shape: [, rows, columns], pixel: [down, across] } = this.entry;
    const ratio = (columns * across) / (rows * down);
    for (const pane of this.panes) {
      pane.style.width = `min(${100 * this.zoom}%, ${70 * this.zoom * ratio}vh)`;
      pane.style.aspectRatio = String(ratio);
    }
    one.style.clipPath = state.mode === "slider" ? `inset(0 0 0 ${this.cut}%)` : "none";
    one.style.visibility = state.mode === "blink" && this.showing === "source" ? "hidden" : "visible";
    other.style.visibility = state.mode === "blink" && this.showing === "result" ? "hidden" : "visible";
    for (const [marked, boxed] of this.overlays) {
      marked.hidden = !state.regions;
      boxed.hidden = !state.boxes;
    }
  }

  toggle() {
    this.showing = this.showing === "result" ? "source" : "result";
    this.arrange();
    say(`showing the ${this.showing}`);
  }

  async scroll(steps) {
    const to = Math.min(this.slices - 1, Math.max(0, this.k + steps));
    if (to === this.k) return;
    this.k = to;
    const slider = by("slice");
    if (slider) slider.value = to + 1;
    await this.load();
    say(`slice ${this.k + 1} of ${this.slices}`);
  }

  zoomBy(factor) {
    this.zoom = Math.min(16, Math.max(1, this.zoom * factor));
    this.arrange();
    say(`zoom ${this.zoom.toFixed(1)}`);
  }
}
