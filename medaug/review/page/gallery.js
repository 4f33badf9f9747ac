// The gallery: a page of pictures at a time, however many variants there are.

import { ask } from "./api.js";
import { by, el, figure, say } from "./dom.js";
import { PAGE, change, query, state } from "./state.js";

export function nameOf(entry) {
  const labels = entry.labels.length ? entry.labels.join(", ") : "no label";
  return `variant ${entry.variant} of ${entry.modality || "source"} ${entry.source.slice(0, 12)}, ${labels}`;
}

export async function drawGallery(focus = "") {
  const found = await ask("api/variants", query({ offset: state.offset, limit: PAGE }));
  if (found.total && state.offset >= found.total) {
    change({ offset: Math.floor((found.total - 1) / PAGE) * PAGE });
    await drawGallery(focus);
    return;
  }
  const cards = found.entries.map((entry) => el("li", {}, card(entry)));
  by("main").replaceChildren(
    el("h2", { id: "gallery-title" }, "Variants"),
    pager(found.total, "above"),
    el("ul", { class: "gallery", "aria-labelledby": "gallery-title" }, ...cards),
    pager(found.total, "below"),
  );
  drawTotals(found.counts);
  say(found.total ? `${found.total} variants fit` : "no variant fits; choose otherwise");
  by(`u-${focus}`)?.focus();
}

export function drawTotals(counts) {
  by("totals").textContent = Object.entries(counts).sort().map(([word, number]) => `${number} ${word}`).join(", ");
}

function card(entry) {
  const sorted = state.sort === "strength" ? "changed_share" : state.sort;
  const shown = sorted in entry.figures ? `${sorted.replaceAll("_", " ")} ${figure(entry.figures[sorted])}` : "";
  const src = `preview/${entry.unit}/result.png`;
  return el("a", { href: `#${entry.unit}`, id: `u-${entry.unit}`, class: `card ${entry.state.split(" ")[0]}` },
    el("img", { src, loading: "lazy", decoding: "async", width: 180, height: 180, alt: `Result: ${nameOf(entry)}` }),
    el("span", { class: "mark" }, entry.state),
    el("span", { class: "soft" }, shown || `${entry.labels.join(", ")} · ${entry.variant}`));
}

function pager(total, where) {
  const to = (offset) => async () => {
    change({ offset });
    await drawGallery();
    by("main").focus();
  };
  const last = Math.min(state.offset + PAGE, total);
  return el("nav", { class: "row", "aria-label": `Pages of the gallery, ${where}` },
    el("button", { type: "button", disabled: state.offset === 0, onclick: to(state.offset - PAGE) }, "Previous page"),
    el("span", {}, total ? `${state.offset + 1} to ${last} of ${total}` : "none"),
    el("button", { type: "button", disabled: last >= total, onclick: to(state.offset + PAGE) }, "Next page"));
}
