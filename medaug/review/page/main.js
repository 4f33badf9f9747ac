// The page: who reads, then the gallery, then one variant after the other.

import { ask, tell } from "./api.js";
import { by, el, say } from "./dom.js";
import { drawFilters } from "./filters.js";
import { drawGallery, drawTotals } from "./gallery.js";
import { MEANINGS, act, close, drawViewer } from "./viewer.js";
import { change, state } from "./state.js";

let start = null;
let last = "";

async function show() {
  const unit = location.hash.slice(1);
  if (!start || unit === "main") return;
  try {
    by("filters").hidden = Boolean(unit);
    if (unit) await drawViewer(unit, start);
    else {
      close();
      await drawGallery(last);
    }
    last = unit;
  } catch (error) {
    say(error.message);
  }
}

async function begin() {
  start = await ask("api/start", { reader: state.reader });
  drawTotals(start.counts);
  by("who").replaceChildren(
    el("span", {}, `Reader: ${state.reader}`),
    button("Another reader", () => { change({ reader: "" }); location.reload(); }),
    button("Agreement", agreement),
    button("Write the lists", async () => { say("writing …"); await tell("api/finish"); say("lists and seal are written"); }),
    button("Keys", help),
    el("label", {}, el("input", { id: "shortcuts", type: "checkbox", checked: state.shortcuts, onchange: (event) => change({ shortcuts: event.target.checked }) }), " single keys"));
  drawFilters(start, show);
  await show();
}

function button(text, onclick) {
  return el("button", { type: "button", onclick }, text);
}

async function agreement() {
  const found = await ask("api/agreement");
  const kappa = (value) => (value === null ? "not defined" : value.toFixed(2));
  say(found.map((one) => `${one.readers[0]} and ${one.readers[1]}: ${one.units} decided by both, ${Math.round(100 * one.raw)} % alike, kappa ${kappa(one.kappa)}`).join("; ")
    || "no two readers decided the same variant");
}

function help() {
  const rows = Object.entries(MEANINGS).map(([key, meaning]) => el("tr", {}, el("th", { scope: "row" }, el("kbd", {}, key)), el("td", {}, meaning)));
  by("help").replaceChildren(el("h2", { id: "help-title" }, "Keys"), el("p", {}, "While a variant is open. Without single keys, all of it has a button."),
    el("table", {}, el("tbody", {}, ...rows)), button("Close", () => by("help").close()));
  by("help").showModal();
}

function typing(target) {
  return target.closest("input:not([type=checkbox]):not([type=range]), select, textarea, dialog") !== null;
}

document.addEventListener("keydown", async (event) => {
  if (!state.shortcuts || event.ctrlKey || event.altKey || event.metaKey || typing(event.target)) return;
  if (event.key === "?") help();
  else if (await act(event.key)) event.preventDefault();
});
window.addEventListener("hashchange", show);
by("who").addEventListener("submit", async (event) => {
  event.preventDefault();
  change({ reader: by("reader").value.trim() });
  try {
    await begin();
  } catch (error) {
    say(error.message);
  }
});
if (state.reader) begin().catch((error) => say(error.message));
else by("reader").focus();
