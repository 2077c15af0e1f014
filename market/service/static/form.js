// The search box and the filters.

import { fetchJson } from "./api.js";
import { attributeError, attributeFilters, fillAttributes, showMenus } from "./attributes.js";
import { showChips } from "./chips.js";
import { $, element } from "./dom.js";
import { distance, has, languageTag, loadSettings, money, toKilometres } from "./format.js";
import { currentPhoto } from "./photo.js";

const FILTERS = [
  "category", "price_min", "price_max", "near", "radius_km", "flagged", "seller_id",
  "include_unavailable", "sort", "saved",
];
const NO_FILTERS = ["sort", "saved"]; // they leave out no listing
const RADII = { km: [5, 10, 25, 50, 100], mi: [3, 5, 15, 30, 60] };
const DEFAULT_RADIUS = { km: 25, mi: 15 };
export const form = $("search").elements;
let categoryCounts = []; // of all listings

/** The filters and the order, by the names of the API. */
function choices() {
  const used = {};
  for (const name of FILTERS) {
    const field = form[name];
    const value = field.type === "checkbox" ? (field.checked ? "true" : "") : field.value.trim();
    if (value) used[name] = value;
  }
  if (!used.near) delete used.radius_km;
  return { ...used, ...attributeFilters() };
}

/** The filters in use, by the names of the API. */
export const filters = () =>
  Object.fromEntries(Object.entries(choices()).filter(([name]) => !NO_FILTERS.includes(name)));

/** The query, the filters and the order, by the names of the API. */
export function currentForm() {
  const q = $("q").value.trim();
  return { ...(q && { q }), ...choices() };
}

/** The categories of all listings with their counts: [{value, count}]. */
export const allCategories = () => categoryCounts;

/** Nothing to search for: the start page. */
export const isStartPage = () => !currentPhoto() && Object.keys(currentForm()).length === 0;

export function fillForm(params) {
  $("q").value = params.get("q") ?? "";
  for (const name of FILTERS) {
    const field = form[name];
    const value = params.get(name) ?? "";
    if (field.type === "checkbox") field.checked = value === "true";
    else if (name === "radius_km") chooseRadius(params.has("near") ? value : null);
    else field.value = value;
  }
  fillAttributes(params);
  checkFilters();
}

export function fillFormWithoutFilters() {
  const q = $("q").value.trim();
  fillForm(new URLSearchParams(q ? { q } : {}));
}

/** Choose a distance in km, "" for any, null for the default; add it where the list lacks it. */
function chooseRadius(value) {
  const field = form.radius_km;
  field.value = value ?? field.dataset.default ?? "25";
  if (field.value || !value) return;
  field.append(element("option", { value }, labelOf(value)));
  field.value = value;
}

/** The label of a distance; plain kilometres until the unit of the country is known. */
const labelOf = (km) => (languageTag() ? distance(km) : `${km} km`);

/** Leave out the filters of fields that no listing has. */
function hideUnknownFields() {
  const elements = {
    price: ["price-field", "flagged-label"], category: ["category-field"],
    place: ["place-field"], photo: ["pick"], status: ["unavailable-label"],
  };
  for (const [field, ids] of Object.entries(elements)) {
    for (const id of ids) $(id).hidden = !has(field);
  }
}

/** Show the currency and the distances of the country, and the filters that listings allow. */
function showSettings(settings) {
  hideUnknownFields();
  const unit = settings.distance_unit;
  const field = form.radius_km;
  const chosen = form.near.value.trim() ? field.value : null;
  const options = RADII[unit].map((radius) => {
    const value = String(toKilometres(radius));
    return element("option", { value }, labelOf(value));
  });
  field.dataset.default = String(toKilometres(DEFAULT_RADIUS[unit]));
  field.replaceChildren(...options, element("option", { value: "" }, "Any distance"));
  chooseRadius(chosen);
  $("price-legend").textContent = `Price (${settings.currency_symbol})`;
  $("flagged-label").title =
    `Such as ${money(1234567)}, or far from the usual price of such an item`;
}

/** Update the form to its values; return whether they are valid, and show the error if not. */
export function checkFilters() {
  form.radius_km.disabled = !form.near.value.trim();
  const nearest = form.sort.querySelector("[value=distance]");
  nearest.hidden = nearest.disabled = !form.near.value.trim();
  if (nearest.disabled && form.sort.value === "distance") form.sort.value = "";
  const number = Object.keys(filters()).filter((name) => name !== "radius_km").length;
  $("filter-count").textContent = number ? ` · ${number}` : "";
  $("clear").hidden = !number;
  if (languageTag()) showChips(currentForm());
  const ofPrices = priceError(form.price_min, form.price_max);
  const message = ofPrices || attributeError();
  for (const field of [form.price_min, form.price_max]) {
    field.setAttribute("aria-invalid", String(Boolean(ofPrices)));
  }
  $("price-error").textContent = message;
  $("price-error").hidden = !message;
  return !message;
}

function priceError(low, high) {
  if (!low.checkValidity() || !high.checkValidity()) return "Enter prices of 0 or more.";
  if (low.value && high.value && Number(low.value) > Number(high.value)) {
    return "The lowest price is above the highest price.";
  }
  return "";
}

/** Load the currency, the distances, and the categories, places and attributes to choose from. */
export async function loadChoices(listeners) {
  showSettings(await loadSettings());
  showMenus($("attributes"), listeners);
  const [categories, places] = await Promise.all([
    fetchJson("api/categories"), fetchJson("api/places"),
  ]);
  categoryCounts = categories.map(({ path, count }) => ({ value: path, count }));
  $("places").replaceChildren(...places.map((value) => element("option", { value })));
}

/** Is the place empty or in the list? While the user types another, it is incomplete. */
export const isPlaceComplete = () =>
  !form.near.value ||
  [...$("places").options].some((option) => option.value === form.near.value);
