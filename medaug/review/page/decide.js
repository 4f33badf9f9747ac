// Accept, reject with a reason, take back; each is logged before it is shown.

import { tell } from "./api.js";
import { by, el, say } from "./dom.js";
import { drawTotals } from "./gallery.js";
import { state } from "./state.js";

export async function decide(entry, verdict, reason = "") {
  const { unit, seen } = entry;
  const done = await tell("api/decisions", { unit, seen, verdict, reason, reader: state.reader });
  Object.assign(entry, { state: done.state, reason });
  drawTotals(done.counts);
  say(`${verdict}${reason ? ` for ${reason}` : ""}`);
}

export function askReason(reasons) {
  const dialog = by("reasons");
  return new Promise((resolve) => {
    const close = (word) => () => dialog.close(word);
    const buttons = reasons.map(({ word, meaning }, n) => el("li", {},
      el("button", { type: "button", value: word, onclick: close(word) }, `${n < 9 ? `${n + 1} ` : ""}${word}`), ` ${meaning}`));
    dialog.replaceChildren(el("h2", { id: "reasons-title" }, "Why is it rejected?"), el("ul", { class: "plain" }, ...buttons),
      el("button", { type: "button", onclick: close("") }, "Cancel"));
    dialog.onkeydown = (event) => {
      const chosen = reasons[Number(event.key) - 1];
      if (chosen && state.shortcuts) dialog.close(chosen.word);
    };
    dialog.onclose = () => resolve(dialog.returnValue);
    dialog.returnValue = "";
    dialog.showModal();
  });
}
