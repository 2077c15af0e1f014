// Listings as cards.

import { showPhoto } from "./api.js";
import { element, icon } from "./dom.js";
import {
  attributes, attributeText, distance, has, languageTag, money, place,
} from "./format.js";

export const UNTITLED = "Untitled";
const MIN_SHARE = 0.03; // of the score: smaller reasons are left out
const MAX_ATTRIBUTES = 3; // of a card
const PRICE_FLAGS = {
  placeholder: "Not a real price?",
  "far above": "Unusually high price",
  "far below": "Unusually low price",
};

/** What to know of a listing at once: that it is sold, or that its price is implausible. */
export function badge({ available, price_flag: flag }) {
  const text = available ? flag && (PRICE_FLAGS[flag] ?? flag) : "Not available";
  return text && element("span", { className: "badge" }, text);
}

/** The attributes of a listing as [{attribute, text}], in their order. */
export const attributeTexts = (listing) =>
  attributes().filter(({ name }) => name in listing.attributes).map((attribute) => ({
    attribute, text: attributeText(attribute, listing.attributes[attribute.name]),
  }));

/** The photo at `url`, or a placeholder. */
export function picture(url, description, isEager = false) {
  const placeholder = () =>
    element("span", { className: "picture none" }, icon("photo"), "No photo");
  if (!url) return placeholder();
  const image = element("img", {
    className: "picture", alt: description, decoding: "async",
    loading: isEager ? "eager" : "lazy", width: 224, height: 224,
  });
  image.addEventListener("error", () => image.replaceWith(placeholder()));
  showPhoto(image, url);
  return image;
}

/** The positive reasons, the largest first: [{text, share}], whose shares add up to about 1. */
function positiveReasons(hit) {
  const positive = hit.why.filter((reason) => reason.contribution > 0);
  const sum = positive.reduce((total, reason) => total + reason.contribution, 0);
  return positive
    .map((reason) => ({ text: reason.text, share: reason.contribution / sum }))
    .filter((reason) => reason.share >= MIN_SHARE);
}

function explanation(hit) {
  const reasons = positiveReasons(hit);
  if (!reasons.length) return null;
  const [first, second] = reasons;
  const bars = reasons.map(({ text, share }) => {
    const bar = element("span", { className: "share", "aria-hidden": "true" });
    bar.style.setProperty("--share", share);
    const percent = `${Math.round(100 * share)}%`;
    return element("li", {}, element("span", {}, text), element("span", {}, percent), bar);
  });
  return element(
    "details", { className: "why" },
    element("summary", {}, element("b", {}, "Why: "), first.text,
      second && element("span", { className: "also" }, `, ${second.text}`)),
    element("ul", {}, bars),
  );
}

/** A list item whose link opens the product. */
export function card(hit, { isBrief = false } = {}) {
  const far = hit.distance_km != null && distance(hit.distance_km);
  const href = `?product=${encodeURIComponent(hit.product_id)}`;
  const lang = hit.name ? languageTag() : null;
  const link = element("a", { className: "open", href, lang }, hit.name || UNTITLED);
  link.dataset.product = hit.product_id;
  const details = attributeTexts(hit).filter(({ attribute }) => attribute.type !== "text")
    .slice(0, MAX_ATTRIBUTES).map(({ attribute, text }) => `${attribute.label}: ${text}`);
  const photo = has("photo") && element(
    // No alternative text: the name beside the photo says what it shows.
    "span", { className: "frame" }, picture(hit.photo, ""), badge(hit));
  return element(
    "li", { className: "card" },
    photo || badge(hit),
    has("price") ? element("p", { className: "price" }, money(hit.price)) : null,
    element("h3", {}, link),
    details.length && !isBrief
      ? element("p", { className: "where" }, details.join(" · ")) : null,
    element("p", { className: "where" }, [place(hit.location), far].filter(Boolean).join(" · ")),
    isBrief ? null : explanation(hit),
  );
}

/** Empty cards while results load. */
export function skeletons(number) {
  return Array.from({ length: number }, () =>
    element("li", { className: "card waiting", "aria-hidden": "true" },
      element("span", { className: "frame" }), element("span", {}), element("span", {})));
}
