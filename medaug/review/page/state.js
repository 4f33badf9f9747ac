// What a reader chose. It outlives a reload in this tab, and nothing else.

const KEY = `medaug ${location.pathname}`;
const EMPTY = {
  reader: "", label: "", source: "", modality: "*", strength: "", state: "", check: "", low: "", high: "",
  sort: "source", down: "", offset: 0, shortcuts: true, mode: "blink", regions: false, boxes: true,
};

export const state = { ...EMPTY, ...JSON.parse(sessionStorage.getItem(KEY) ?? "{}") };
export const PAGE = 60;

export function change(values) {
  Object.assign(state, values);
  sessionStorage.setItem(KEY, JSON.stringify(state));
}

export function query(more = {}) {
  const { reader, label, source, strength, check, low, high, sort, down } = state;
  const asked = { reader, label, source, strength, check, low, high, sort, down, state: state.state, ...more };
  if (state.modality !== "*") asked.modality = state.modality;
  return asked;
}
