// The filters by attributes, such as brand and size: one menu for each attribute.

import { element } from "./dom.js";
import { attributes, attributeText, number } from "./format.js";

export const PREFIX = "attr.";
const MAX_VALUES = 30; // of a menu, besides the chosen ones
const OPEN_MENUS = 3; // the first ones are open
const INPUT_TYPES = { number: "number", date: "date" };
const chosen = new Map(); // values by parameter, such as "attr.brand": ["Sony"]
const menus = new Map(); // by name of the attribute
let lastCounts = [];

/** The conditions in use, by the names of the API. */
export const attributeFilters = () => Object.fromEntries(chosen);

/** Take the conditions from the parameters of an address. */
export function fillAttributes(params) {
  chosen.clear();
  for (const name of new Set(params.keys())) {
    const values = params.getAll(name).filter(Boolean);
    if (name.startsWith(PREFIX) && values.length) chosen.set(name, values);
  }
  for (const menu of menus.values()) menu.update();
}

/** Show a menu for each attribute in `parent`. They call `onChoice` and `onTyping`. */
export function showMenus(parent, { onChoice, onTyping }) {
  menus.clear();
  for (const attribute of attributes()) {
    if (attribute.type === "text") continue;
    const isRange = attribute.type in INPUT_TYPES;
    menus.set(attribute.name,
      isRange ? rangeMenu(attribute, onTyping) : valueMenu(attribute, onChoice));
  }
  [...menus.values()].slice(0, OPEN_MENUS).forEach(({ details }) => (details.open = true));
  parent.replaceChildren(...[...menus.values()].map((menu) => menu.details));
  parent.hidden = !menus.size;
  showCounts(lastCounts); // a search may have been faster than the menus
}

/** Show the counts of a search in the menus. */
export function showCounts(counts) {
  lastCounts = counts ?? [];
  for (const count of lastCounts) menus.get(count.name)?.update(count);
}

/** What is wrong with the ranges; "" if nothing is. */
export function attributeError() {
  for (const { label, inputs } of menus.values()) {
    if (!inputs) continue;
    const [low, high] = inputs;
    if (!low.checkValidity() || !high.checkValidity()) return `${label}: enter numbers.`;
    const isDate = low.type === "date";
    const isAbove = isDate ? low.value > high.value : Number(low.value) > Number(high.value);
    if (low.value && high.value && isAbove) return `${label}: the first value is above the last.`;
  }
  return "";
}

function choose(param, values) {
  if (values.length) chosen.set(param, values);
  else chosen.delete(param);
}

function menuOf(label, panel) {
  const summary = element("summary", {}, label);
  const details = element("details", { className: "menu" }, summary, panel);
  const showNumber = (used) => {
    summary.textContent = used ? `${label} · ${used}` : label;
    details.classList.toggle("used", used > 0);
  };
  return { details, showNumber };
}

/** A menu with a box for each value of a category or a truth value. */
function valueMenu(attribute, onChoice) {
  const param = PREFIX + attribute.name;
  const panel = element("div", { className: "panel", role: "group", "aria-label": attribute.label });
  const { details, showNumber } = menuOf(attribute.label, panel);
  let known = []; // of the last counts
  const update = (counts = null) => {
    known = counts?.values ?? known;
    const used = chosen.get(param) ?? [];
    const rows = known.slice(0, MAX_VALUES);
    const isUsed = (value) => used.some((other) => isSame(other, value));
    for (const value of used) {
      if (rows.some((row) => isSame(row.value, value))) continue;
      rows.push(known.find((row) => isSame(row.value, value)) ?? { value, count: 0 });
    }
    const focused = panel.contains(document.activeElement) ? document.activeElement.value : null;
    panel.replaceChildren(...rows.map(({ value, count }) => {
      const box = element("input", {
        type: "checkbox", value: String(value), checked: isUsed(value) });
      box.addEventListener("change", () => {
        const others = (chosen.get(param) ?? []).filter((other) => !isSame(other, value));
        choose(param, box.checked ? [...others, String(value)] : others);
        showNumber((chosen.get(param) ?? []).length);
        onChoice();
      });
      return element("label", { className: "check" }, box,
        element("span", {}, attributeText(attribute, value)),
        element("span", { className: "count" }, number(count)));
    }));
    if (focused !== null) {
      [...panel.querySelectorAll("input")].find((box) => box.value === focused)?.focus();
    }
    showNumber(used.length);
    details.hidden = !rows.length;
  };
  update();
  return { details, update, label: attribute.label };
}

const isSame = (one, other) => String(one).toLowerCase() === String(other).toLowerCase();

/** A menu with the lowest and the highest value of a number or a date. */
function rangeMenu(attribute, onTyping) {
  const params = ["_min", "_max"].map((end) => PREFIX + attribute.name + end);
  const unit = attribute.unit ? ` (${attribute.unit})` : "";
  const inputs = ["From", "To"].map((word) => element("input", {
    type: INPUT_TYPES[attribute.type], step: "any",
    "aria-label": `${attribute.label}${unit}: ${word.toLowerCase()}`,
  }));
  const panel = element("div", { className: "panel pair" },
    inputs[0], element("span", { "aria-hidden": "true" }, "–"), inputs[1]);
  const { details, showNumber } = menuOf(attribute.label + unit, panel);
  const countUsed = () => params.filter((param) => chosen.has(param)).length;
  inputs.forEach((input, index) => input.addEventListener("input", () => {
    choose(params[index], input.value ? [input.value] : []);
    showNumber(countUsed());
    onTyping();
  }));
  const update = (counts = null) => {
    inputs.forEach((input, index) => {
      const value = chosen.get(params[index])?.[0] ?? "";
      if (input.value !== value && input !== document.activeElement) input.value = value;
      const bound = counts && [counts.minimum, counts.maximum][index];
      if (bound != null && attribute.type === "number") input.placeholder = number(bound);
    });
    showNumber(countUsed());
    if (counts) details.hidden = !counts.listings && !countUsed();
  };
  update();
  return { details, update, inputs, label: attribute.label };
}
