// Money, distances, dates and numbers as text, in the currency, language and units of the listings.

import { fetchJson } from "./api.js";

const KM_PER_UNIT = { km: 1, mi: 1.609344 };
const UNIT_NAMES = { km: "kilometer", mi: "mile" };
const embedded = document.getElementById("settings")?.textContent; // absent with an API key
let settings = embedded ? JSON.parse(embedded) : null;
let loading = settings && Promise.resolve(settings);

/** Load how to write money, distances and dates. Nothing is shown before. */
export function loadSettings() {
  loading ??= fetchJson("api/settings")
    .then((loaded) => (settings = loaded))
    .catch((error) => {
      loading = null; // the next search tries again
      throw error;
    });
  return loading;
}

/** The language of the listings, such as "en-GB", for `lang`; null before it is known. */
export const languageTag = () => settings?.language_tag ?? null;

/** Where a listing is, as a card says it: the town alone in Britain, whose counties are long.
    Elsewhere all of it, because "Portland, ME" and "Portland, OR" differ in their states only. */
export const place = (location) =>
  settings.country === "GB" ? location.split(",")[0] : location;

/** Does any listing have this field, such as "price"? All do until the settings are known. */
export const has = (field) => settings?.fields.includes(field) ?? true;

/** The attributes of listings: [{name, label, type, unit}]. */
export const attributes = () => settings?.attributes ?? [];

export const number = (value, options = {}) =>
  new Intl.NumberFormat(languageTag() ?? undefined, options).format(value);

export function money(amount) {
  if (amount == null) return "No price";
  if (amount === 0) return "Free";
  const isWhole = Number.isInteger(amount) || amount >= 1000;
  const digits = isWhole ? { minimumFractionDigits: 0, maximumFractionDigits: 0 } : {};
  return number(amount, { style: "currency", currency: settings.currency, ...digits });
}

/** Two significant digits, as an estimate is no more precise. */
export function roughMoney(amount) {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(amount, 1))) - 1);
  return money(Math.round(amount / step) * step);
}

/** A distance, rounded to whole kilometres or miles. */
export function distance(km) {
  const inUnit = km / KM_PER_UNIT[settings.distance_unit];
  const text = (value) => number(value, { style: "unit", unit: UNIT_NAMES[settings.distance_unit] });
  return inUnit < 1 ? `under ${text(1)}` : text(Math.round(inUnit));
}

/** A round number of kilometres or miles, in kilometres. */
export const toKilometres = (inUnit) =>
  Number((inUnit * KM_PER_UNIT[settings.distance_unit]).toFixed(2));

/** A date YYYY-MM-DD in words. It has no time zone, so none may shift it. */
export const date = (text) =>
  new Intl.DateTimeFormat(languageTag() ?? undefined, { dateStyle: "long", timeZone: "UTC" })
    .format(new Date(text));

/** A value of an attribute as text. */
export function attributeText({ type, unit }, value) {
  if (type === "boolean") return value === true || value === "true" ? "Yes" : "No";
  if (type === "date") return date(value);
  if (type !== "number") return value;
  // A year is a number as well: 2015, not 2,015.
  const text = number(value, { useGrouping: "min2", maximumFractionDigits: 3 });
  return unit ? `${text}\u00a0${unit}` : text;
}

export function listingCount(count) {
  return `${number(count)} ${count === 1 ? "listing" : "listings"}`;
}
