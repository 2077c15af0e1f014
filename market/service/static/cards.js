// Listings as cards.

import { root } from "./api.js";
import { element, icon } from "./dom.js";
import { attributes, attributeText, distance, has, languageTag, money, place } from "./format.js";
import { isSaved, save, unsave } from "./kept.js";
import { coverOf, picture } from "./photos.js";
import { recordEvent } from "./user.js";
import { explanation } from "./why.js";

export const UNTITLED = "Untitled";
const MAX_ATTRIBUTES = 3; // of a card
const PRICE_FLAGS = {
  placeholder: "Not a real price?",
  "far above": "Unusually high price",
  "far below": "Unusually low price",
};

/** What to know of a listing at once: that it is sold, or that its price is implausible. */
export function badge({ available, status, price_flag: flag }) {
  const gone = status ? status[0].toUpperCase() + status.slice(1) : "Not available";
  const text = available === false ? gone : flag && (PRICE_FLAGS[flag] ?? flag);
  return text && element("span", { className: available === false ? "badge gone" : "badge" }, text);
}

/** The attributes of a listing as [{attribute, text}], in their order. */
export const attributeTexts = (listing) =>
  attributes().filter(({ name }) => name in (listing.attributes ?? {})).map((attribute) => ({
    attribute, text: attributeText(attribute, listing.attributes[attribute.name]),
  }));

/** A text whose `spans` [[start, end], …] are highlighted; the end is exclusive. */
export function marked(text, spans = []) {
  const parts = [];
  let position = 0;
  for (const [start, end] of spans ?? []) {
    parts.push(text.slice(position, start), element("mark", {}, text.slice(start, end)));
    position = end;
  }
  return [...parts, text.slice(position)].filter((part) => part !== "");
}

/** The address of a listing's page, which measures the distance from `near`. */
export const listingAddress = (id, near) =>
  `${root}listing/${encodeURIComponent(id)}${near ? `?${new URLSearchParams({ near })}` : ""}`;

/** A button that saves the listing in this browser, and tells the ranker. */
export function saveButton(listing) {
  const name = listing.name || UNTITLED;
  const button = element("button", { type: "button", className: "save" }, icon("heart"));
  const show = () => {
    button.setAttribute("aria-pressed", String(isSaved(listing.product_id)));
    button.setAttribute("aria-label", `Save ${name}`);
  };
  button.addEventListener("click", () => {
    if (isSaved(listing.product_id)) unsave(listing.product_id);
    else {
      save(listing);
      recordEvent(listing.product_id, "save", listing.search_id).catch(() => {}); // it is saved here all the same
    }
    show();
  });
  show();
  return button;
}

/** A list item whose link leads to the listing's page. */
export function card(hit, { isBrief = false, isEager = false, near = "" } = {}) {
  const far = hit.distance_km != null && distance(hit.distance_km);
  const lang = hit.name ? languageTag() : null;
  const link = element(
    "a", { className: "open", href: listingAddress(hit.product_id, near), lang },
    marked(hit.name || UNTITLED, hit.name ? hit.highlights?.name : []));
  link.dataset.product = hit.product_id;
  if (hit.search_id) link.dataset.search = hit.search_id;
  const details = attributeTexts(hit).filter(({ attribute }) => attribute.type !== "text")
    .slice(0, MAX_ATTRIBUTES).map(({ attribute, text }) => `${attribute.label}: ${text}`);
  const snippet = hit.highlights?.description;
  const photo = has("photo") && element(
    // No alternative text: the name beside the photo says what it shows.
    "span", { className: "frame" }, picture(coverOf(hit), "", { isEager }), badge(hit));
  return element(
    "li", { className: hit.available === false ? "card gone" : "card" },
    photo || badge(hit),
    has("price") ? element("p", { className: "price" }, money(hit.price)) : null,
    element("h3", {}, link),
    !isBrief && snippet?.spans?.length
      ? element("p", { className: "snippet", lang }, marked(snippet.text, snippet.spans)) : null,
    details.length && !isBrief
      ? element("p", { className: "where" }, details.join(" · ")) : null,
    element("p", { className: "where" },
      [place(hit.location ?? ""), far].filter(Boolean).join(" · ")),
    saveButton(hit),
    isBrief ? null : explanation(hit),
  );
}

/** Empty cards while results load. */
export function skeletons(number) {
  return Array.from({ length: number }, () =>
    element("li", { className: "card waiting", "aria-hidden": "true" },
      element("span", { className: "frame" }), element("span", {}), element("span", {})));
}
