// The filters in use as chips; each is a link to the search without it.

import { PREFIX } from "./attributes.js";
import { $, element, icon } from "./dom.js";
import { attributes, attributeText, distance, money } from "./format.js";
import { addressOf } from "./navigation.js";

const ofPrice = (word, value) => (value ? `${word} ${money(Number(value))}` : "");

function ofPlace({ near, radius_km: radius }) {
  if (!near) return "";
  return radius ? `within ${distance(Number(radius))} of ${near}` : `near ${near}`;
}

/** [text, the search without it] of each filter but the attributes. */
function plainFilters(search) {
  const texts = {
    category: search.category?.split(" / ").at(-1),
    price_min: ofPrice("from", search.price_min),
    price_max: ofPrice("up to", search.price_max),
    near: ofPlace(search),
    seller_id: search.seller_id && "one seller",
    flagged: search.flagged && "with implausible prices",
    include_unavailable: search.include_unavailable && "with unavailable",
  };
  return Object.entries(texts).filter(([, text]) => text).map(([name, text]) => {
    const { [name]: _, ...rest } = search;
    if (name === "near") delete rest.radius_km;
    return [text, rest];
  });
}

/** The same of the attributes. */
function attributeFilters(search) {
  return attributes().flatMap((attribute) => {
    const name = PREFIX + attribute.name;
    const values = [search[name] ?? []].flat();
    const ofValues = values.map((value) => {
      const others = values.filter((other) => other !== value);
      const { [name]: _, ...rest } = search;
      const without = others.length ? { ...rest, [name]: others } : rest;
      return [`${attribute.label}: ${attributeText(attribute, value)}`, without];
    });
    const ends = [["_min", "from"], ["_max", "up to"]].filter(([end]) => search[name + end]);
    const ofEnds = ends.map(([end, word]) => {
      const { [name + end]: value, ...rest } = search;
      return [`${attribute.label} ${word} ${value}`, rest];
    });
    return [...ofValues, ...ofEnds];
  });
}

function chip(text, without, className = "to-search") {
  return element("li", {}, element(
    "a", { className, href: addressOf(without) || "./",
      "aria-label": `Remove the filter: ${text}` }, text, icon("close")));
}

/** Filters from the words of the query, such as {"price_max": 100}: a chip leads to the others. */
function understoodChips({ q: _, ...search }, { understood, remaining_query: q }) {
  const texts = Object.entries(understood ?? {}).map(([name, value]) => {
    if (name === "price_max") return ofPrice("up to", value);
    if (name === "price_min") return ofPrice("from", value);
    return "";
  }).filter(Boolean);
  const rest = q ? { q, ...search } : search;
  return texts.map((text) => chip(`${text}, from your words`, rest, "to-search understood"));
}

/** Show the chips of a search and of what its answer understood. */
export function showChips(search, results = {}) {
  const filters = [...plainFilters(search), ...attributeFilters(search)];
  const items = [...understoodChips(search, results),
    ...filters.map(([text, rest]) => chip(text, rest))];
  if (filters.length > 1) {
    items.push(element("li", {}, element(
      "a", { className: "to-search all", href: addressOf(search.q ? { q: search.q } : {}) },
      "Clear all")));
  }
  $("chips").replaceChildren(...items);
}
