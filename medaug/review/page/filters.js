// Filter and sort: one form, kept in step with what was chosen.

import { by, choice, el } from "./dom.js";
import { change, state } from "./state.js";

const WORDS = ["source", "label", "modality", "state", "strength"];
const STATES = [
  ["", "any state"],
  ["undecided", "undecided"],
  ["accepted", "accepted by me"],
  ["rejected", "rejected by me"],
  ["left out by a rule", "left out by a rule"],
];

export function drawFilters(start, redraw) {
  const chosen = (name) => (event) => {
    change({ [name]: event.target.value, offset: 0 });
    redraw();
  };
  const any = (word, values) => [["", word], ...values.map((value) => [value, value])];
  const modalities = [["*", "any modality"], ...start.modalities.map((value) => [value, value || "none stated"])];
  const sources = [["", "any source"], ...start.sources.map((key) => [key, key.slice(0, 12)])];
  const checks = start.checks.map((name) => [name, name.replaceAll("_", " ")]);
  const field = (id, label, values) => choice(id, label, values, state[id], chosen(id));
  const limit = (id, label) => el("span", { class: "field" }, el("label", { for: id }, label),
    el("input", { id, type: "number", step: "any", value: state[id], onchange: chosen(id) }));
  by("filters").replaceChildren(el("form", { class: "row", onsubmit: (event) => event.preventDefault() },
    field("state", "State", STATES),
    field("label", "Label", any("any label", start.labels)),
    field("modality", "Modality", modalities),
    field("strength", "Strength", [["", "any strength"], ["weak", "weakest third"], ["medium", "middle third"], ["strong", "strongest third"]]),
    field("source", "Source", sources),
    field("check", "Check", [["", "any check"], ...checks]), limit("low", "from"), limit("high", "to"),
    field("sort", "Sort by", [...WORDS.map((word) => [word, word]), ...checks]),
    field("down", "Order", [["", "rising"], ["1", "falling"]]),
  ));
  by("filters").hidden = false;
}
