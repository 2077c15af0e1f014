// The start page: tiles of categories, and what the user saw.

import { card } from "./cards.js";
import { $, element } from "./dom.js";
import { allCategories } from "./form.js";
import { listingCount } from "./format.js";
import { forgetSeen, recentListings } from "./kept.js";
import { addressOf } from "./navigation.js";

const MAX_TILES = 12;

function tiles() {
  return allCategories().filter(({ value }) => !value.includes(" / "))
    .sort((one, other) => other.count - one.count).slice(0, MAX_TILES)
    .map(({ value, count }) => element("li", {}, element(
      "a", { className: "to-search tile", href: addressOf({ category: value }) },
      element("span", {}, value), element("small", {}, listingCount(count)))));
}

/** Show or hide the parts that only the start page has. */
export function showStartPage(isShown) {
  const list = $("tile-list");
  if (isShown && !list.children.length) list.replaceChildren(...tiles());
  $("tiles").hidden = !isShown || !list.children.length;
  const recent = isShown ? recentListings() : [];
  $("recent-cards").replaceChildren(...recent.map((seen) => card(seen, { isBrief: true })));
  $("recent").hidden = !recent.length;
}

export function listenToStartPage() {
  $("forget").addEventListener("click", () => {
    forgetSeen();
    showStartPage(true);
  });
}
