// The search box and the filters.

import { fetchJson } from "./api.js";
import { $, element } from "./dom.js";
import { currentPhoto } from "./photo.js";

const FILTERS = ["category", "price_min", "price_max", "near", "radius_km", "flagged"];
const DEFAULT_RADIUS = "25"; // km
export const form = $("filters").elements;

/** The filters in use, by the names of the API. */
export function filters() {
  const used = {};
  for (const name of FILTERS) {
    const field = form[name];
    const value = field.type === "checkbox" ? (field.checked ? "true" : "") : field.value.trim();
    if (value) used[name] = value;
  }
  if (!used.near) delete used.radius_km;
  return used;
}

/** The query and the filters, by the names of the API. */
export function currentForm() {
  const q = $("q").value.trim();
  return { ...(q && { q }), ...filters() };
}

/** Nothing to search for: the start page. */
export const isStartPage = () => !currentPhoto() && Object.keys(currentForm()).length === 0;

export function fillForm(params) {
  $("q").value = params.get("q") ?? "";
  for (const name of FILTERS) {
    const field = form[name];
    const value = params.get(name) ?? "";
    if (field.type === "checkbox") field.checked = value === "true";
    else if (name === "category") chooseCategory(value);
    else if (name === "radius_km" && !params.has("near")) field.value = DEFAULT_RADIUS;
    else field.value = value;
  }
  checkFilters();
}

export function fillFormWithoutFilters() {
  const q = $("q").value.trim();
  fillForm(new URLSearchParams(q ? { q } : {}));
}

/** Choose a category, and add it where the list lacks it or has not loaded. */
function chooseCategory(value) {
  form.category.value = value;
  if (form.category.value === value) return;
  form.category.append(element("option", { value }, value));
  form.category.value = value;
}

/** Update the form to its values; return whether they are valid, and show the error if not. */
export function checkFilters() {
  form.radius_km.disabled = !form.near.value.trim();
  const number = Object.keys(filters()).filter((name) => name !== "radius_km").length;
  $("filter-count").textContent = number ? ` · ${number}` : "";
  $("clear").hidden = !number;
  const message = priceError(form.price_min, form.price_max);
  for (const field of [form.price_min, form.price_max]) {
    field.setAttribute("aria-invalid", String(Boolean(message)));
  }
  $("price-error").textContent = message;
  $("price-error").hidden = !message;
  return !message;
}

function priceError(low, high) {
  if (!low.checkValidity() || !high.checkValidity()) return "Enter prices in pounds, 0 or more.";
  if (low.value && high.value && Number(low.value) > Number(high.value)) {
    return "The lowest price is above the highest price.";
  }
  return "";
}

/** Load the categories and the places to choose from. */
export async function loadChoices() {
  const [categories, places] = await Promise.all([
    fetchJson("api/categories"), fetchJson("api/places"),
  ]);
  const chosen = form.category.value;
  const options = categories.map(({ path, count }) => {
    const levels = path.split(" / ");
    const text = `${"\u2003".repeat(levels.length - 1)}${levels.at(-1)} (${count})`;
    return element("option", { value: path }, text);
  });
  form.category.replaceChildren(form.category.options[0], ...options);
  chooseCategory(chosen);
  $("places").replaceChildren(...places.map((value) => element("option", { value })));
}

/** Is the place empty or in the list? While the user types another, it is incomplete. */
export const isPlaceComplete = () =>
  !form.near.value ||
  [...$("places").options].some((option) => option.value === form.near.value);
