// One variant large: stage, controls, decision, checks.

import { ask } from "./api.js";
import { controls, resetWindow } from "./controls.js";
import { askReason, decide } from "./decide.js";
import { by, el, figure, say } from "./dom.js";
import { nameOf } from "./gallery.js";
import { change, query, state } from "./state.js";
import { Stage } from "./stage.js";

let open = null;

export async function drawViewer(unit, start) {
  close();
  const entry = await ask(`api/variants/${unit}`, { reader: state.reader });
  const stage = new Stage(entry, nameOf(entry));
  open = { entry, stage, start };
  by("main").replaceChildren(
    el("h2", {}, nameOf(entry)[0].toUpperCase() + nameOf(entry).slice(1)),
    el("nav", { class: "row", "aria-label": "Other variants" },
      link("Back to the gallery", back), link("Previous", () => step(-1)), link("Next", () => step(1)), link("Next undecided", undecided)),
    el("div", { class: "row", role: "group", "aria-label": "Decision" },
      el("span", { id: "said", class: "mark" }), link("Accept", () => act("a")), link("Reject …", () => act("r")), link("Undo", () => act("u"))),
    el("div", { class: "view" }, stage.root,
      el("div", {}, controls(stage), notes(entry), checks(entry))));
  showState();
  by("main").focus();
  await stage.load();
  say(`${nameOf(entry)}: ${entry.state}`);
}

export function close() {
  if (open) clearInterval(open.stage.timer);
  open = null;
}

const KEYS = {
  a: () => accept(), r: () => reject(), u: () => undo(), n: () => undecided(), j: () => step(1), k: () => step(-1),
  b: () => open.stage.toggle(), m: () => nextMode(), g: () => flip("regions"), o: () => flip("boxes"),
  "+": () => open.stage.zoomBy(1.5), "-": () => open.stage.zoomBy(1 / 1.5), w: () => resetWindow(open.stage),
  "[": () => open.stage.scroll(-1), "]": () => open.stage.scroll(1), Escape: () => back(),
};
export const MEANINGS = {
  a: "accept", r: "reject, then a digit for the reason", u: "undo", n: "next undecided", j: "next", k: "previous",
  b: "source or result", m: "blink, slider, side by side", g: "regions on or off", o: "boxes on or off", "+": "zoom in", "-": "zoom out",
  w: "reset the window", "[": "slice before", "]": "next slice", Escape: "back to the gallery", "?": "these keys",
};

export async function act(key) {
  if (!open || !KEYS[key]) return false;
  try {
    await KEYS[key]();
  } catch (error) {
    say(error.message);
  }
  return true;
}

async function accept() {
  await decide(open.entry, "accepted");
  showState();
}

async function reject() {
  const reason = await askReason(open.start.reasons);
  if (!reason) return;
  await decide(open.entry, "rejected", reason);
  showState();
}

async function undo() {
  await decide(open.entry, "withdrawn");
  showState();
}

async function step(by_) {
  const found = await ask("api/step", query({ from: open.entry.unit, by: by_ }));
  if (found.unit) location.hash = found.unit;
  else say("there is none further");
}

async function undecided() {
  const found = await ask("api/step", query({ from: open.entry.unit, undecided: 1 }));
  if (found.unit) location.hash = found.unit;
  else say("all that fit are decided");
}

function nextMode() {
  const modes = ["blink", "slider", "side"];
  change({ mode: modes[(modes.indexOf(state.mode) + 1) % modes.length] });
  by("mode").value = state.mode;
  open.stage.arrange();
  say(`compare by ${by("mode").selectedOptions[0].textContent}`);
}

function flip(name) {
  change({ [name]: !state[name] });
  const box = by(`${name}-on`);
  if (box) box.checked = state[name];
  open.stage.arrange();
  say(`${name} ${state[name] ? "on" : "off"}`);
}

function back() {
  location.hash = "";
}

function showState() {
  const { entry } = open;
  by("said").textContent = entry.state + (entry.reason ? `: ${entry.reason}` : "");
  by("said").className = `mark ${entry.state.split(" ")[0]}`;
}

function link(text, act_) {
  const onclick = async () => {
    try {
      await act_();
    } catch (error) {
      say(error.message);
    }
  };
  return el("button", { type: "button", onclick }, text);
}

function notes(entry) {
  const told = [];
  if (!entry.real) told.push("The source is shown by its preview, on one slice; start with --source to see it in full.");
  if (entry.moved) told.push("The source lies here as it was before it was moved.");
  return told.length ? el("p", { class: "soft" }, told.join(" ")) : null;
}

function checks(entry) {
  const limit = ([low, high]) => `${low === null ? "" : figure(low)} … ${high === null ? "" : figure(high)}`;
  const rows = entry.checks.map((one) => el("tr", {}, el("th", { scope: "row" }, one.name.replaceAll("_", " ")),
    el("td", {}, figure(one.value)), el("td", {}, limit(one.limit)), el("td", {}, one.passed ? "pass" : "FAIL")));
  const head = ["Check", "Value", "Limit", "Result"].map((word) => el("th", { scope: "col" }, word));
  return el("details", {}, el("summary", {}, "Checks"), el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows)));
}
