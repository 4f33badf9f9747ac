// Elements are made here and nowhere else. Data become text nodes and attribute values, never markup.

export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const by = (id) => document.getElementById(id);

export function say(text) {
  by("status").textContent = text;
}

export function choice(id, label, values, chosen, onchange) {
  const options = values.map(([value, text]) => el("option", { value, selected: value === chosen }, text));
  return el("span", { class: "field" }, el("label", { for: id }, label), el("select", { id, onchange }, ...options));
}

export function figure(value) {
  return value === null || value === undefined ? "–" : Number(value.toPrecision(4)).toString();
}
