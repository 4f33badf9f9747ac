// The controls beside the stage: comparison, window, zoom, slices.

import { choice, el } from "./dom.js";
import { change, state } from "./state.js";

const MODES = [["blink", "blink"], ["slider", "slider"], ["side", "side by side"]];

export function controls(stage) {
  const again = () => stage.arrange();
  const [low, high] = stage.entry.window;
  const span = Math.max(high - low, 1e-6);
  const slide = (id, label, least, most, step, value, oninput) => el("span", { class: "field" },
    el("label", { for: id }, label), el("input", { id, type: "range", min: least, max: most, step, value, oninput }));
  const centre = (event) => setWindow(stage, Number(event.target.value), null);
  const width = (event) => setWindow(stage, null, Number(event.target.value));
  const check = (id, label, name) => el("span", { class: "field" },
    el("label", {}, el("input", { id, type: "checkbox", checked: state[name], onchange: (event) => {
      change({ [name]: event.target.checked });
      again();
    } }), ` ${label}`));
  return el("fieldset", { class: "row" }, el("legend", {}, "View"),
    choice("mode", "Compare by", MODES, state.mode, (event) => { change({ mode: event.target.value }); again(); }),
    el("button", { type: "button", id: "toggle", onclick: () => stage.toggle() }, "Source or result"),
    blinking(stage),
    slide("cut", "Divide at", 0, 100, 1, stage.cut, (event) => { stage.cut = Number(event.target.value); again(); }),
    check("boxes-on", "Boxes", "boxes"),
    stage.entry.marks ? check("regions-on", "Regions", "regions") : null,
    slide("centre", `Window centre${units(stage)}`, low - span, high + span, span / 200, (low + high) / 2, centre),
    slide("width", `Window width${units(stage)}`, span / 100, 3 * span, span / 200, span, width),
    el("button", { type: "button", onclick: () => resetWindow(stage) }, "Reset window"),
    el("button", { type: "button", onclick: () => stage.zoomBy(1.5) }, "Zoom in"),
    el("button", { type: "button", onclick: () => stage.zoomBy(1 / 1.5) }, "Zoom out"),
    stage.slices > 1 ? slide("slice", `Slice, of ${stage.slices}`, 1, stage.slices, 1, stage.k + 1,
      (event) => stage.scroll(Number(event.target.value) - 1 - stage.k)) : null);
}

export function resetWindow(stage) {
  const [low, high] = stage.entry.window;
  document.getElementById("centre").value = (low + high) / 2;
  document.getElementById("width").value = high - low;
  setWindow(stage, (low + high) / 2, high - low);
}

function setWindow(stage, centre, width) {
  const [low, high] = stage.window;
  const middle = centre ?? (low + high) / 2;
  const half = (width ?? high - low) / 2;
  stage.window = [middle - half, middle + half];
  stage.draw();
}

function units(stage) {
  return stage.entry.units && stage.entry.units !== "US" ? ` in ${stage.entry.units}` : "";
}

function blinking(stage) {
  const turn = (event) => {
    clearInterval(stage.timer);
    // once a second: far below the three flashes a second that may harm
    if (event.target.checked) stage.timer = setInterval(() => (stage.root.isConnected ? stage.toggle() : clearInterval(stage.timer)), 1000);
  };
  return el("label", {}, el("input", { id: "by-itself", type: "checkbox", onchange: turn }), " by itself");
}
