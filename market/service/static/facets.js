// Counts of categories, prices and distances among the results, to narrow a search.

import { $, element } from "./dom.js";
import { form } from "./form.js";
import { distance, has, money, number } from "./format.js";
import { addressOf } from "./navigation.js";

const MAX_CATEGORIES = 20;

/** A list item that leads to another search. */
function valueItem(text, count, search, isCurrent) {
  return element("li", {}, element(
    "a", { className: "to-search", href: addressOf(search),
      "aria-current": isCurrent ? "true" : null },
    element("span", {}, text), " ", element("span", { className: "count" }, number(count))));
}

const levelsOf = (path) => (path ? path.split(" / ") : []);

function childrenOf(rows, path) {
  const depth = levelsOf(path).length + 1;
  return rows.filter(({ value }) =>
    levelsOf(value).length === depth && (!path || value.startsWith(`${path} / `)));
}

/** The categories below the chosen one, or beside it if there are none below. */
function nextCategories(rows, chosen) {
  const children = childrenOf(rows, chosen);
  return children.length ? children : childrenOf(rows, levelsOf(chosen).slice(0, -1).join(" / "));
}

function showCategories(rows, search) {
  const chosen = search.category ?? "";
  const { category: _, ...rest } = search;
  const levels = levelsOf(chosen);
  const parents = levels.map((name, index) => {
    const path = levels.slice(0, index).join(" / ");
    return element("li", { className: "parent" }, element(
      "a", { className: "to-search", href: addressOf(path ? { ...rest, category: path } : rest) },
      `‹ ${index ? levels[index - 1] : "All categories"}`));
  });
  const items = nextCategories(rows, chosen).filter(({ count }) => count)
    .sort((one, other) => other.count - one.count).slice(0, MAX_CATEGORIES)
    .map(({ value, count }) => valueItem(
      value.split(" / ").at(-1), count, { ...rest, category: value }, value === chosen));
  const own = rows.find(({ value }) => value === chosen);
  const isLeaf = items.some((item) => item.querySelector("[aria-current]"));
  const current = chosen && !isLeaf
    ? [valueItem(levels.at(-1), own?.count ?? 0, search, true)] : [];
  $("category-list").replaceChildren(...parents, ...current, ...items);
  $("category-field").hidden = !$("category-list").children.length;
}

/** "under £50", "£50 – £100" or "from £100". */
function bucketText({ minimum, maximum }) {
  if (minimum == null) return `up to ${money(maximum)}`;
  return maximum == null ? `from ${money(minimum)}` : `${money(minimum)} – ${money(maximum)}`;
}

function showPrices(buckets, search) {
  const { price_min: low, price_max: high, ...rest } = search;
  const used = buckets.filter(({ count }) => count);
  $("price-list").replaceChildren(...used.map((bucket) => {
    const changed = {
      ...rest,
      ...(bucket.minimum != null && { price_min: String(bucket.minimum) }),
      ...(bucket.maximum != null && { price_max: String(bucket.maximum) }),
    };
    const isCurrent = changed.price_min === low && changed.price_max === high;
    return valueItem(bucketText(bucket), bucket.count, changed, isCurrent);
  }));
}

/** Add the counts to the distances to choose from. */
function showDistances(distances) {
  for (const option of form.radius_km.options) {
    const km = Number(option.value);
    const row = option.value && distances.find((other) => Math.abs(other.maximum_km - km) < 0.02);
    const text = option.value ? distance(km) : "Any distance";
    option.textContent = row ? `${text} (${number(row.count)})` : text;
  }
}

/** Show the counts of an answer; `categories` of all listings stand in where it has none. */
export function showFacets(search, { facets }, categories) {
  if (has("category")) showCategories(facets?.categories ?? categories, search);
  if (has("price")) showPrices(facets?.prices ?? [], search);
  if (has("place")) showDistances(facets?.distances ?? []);
}
