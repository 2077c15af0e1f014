// A listing with all its details. The service renders the same (templates/listing.html.j2).

import { root } from "./api.js";
import { attributeTexts, badge, UNTITLED } from "./cards.js";
import { element } from "./dom.js";
import { date, distance, has, languageTag, money, roughMoney } from "./format.js";
import { gallery } from "./gallery.js";
import { addressOf } from "./navigation.js";

const ACTIONS_NOTE =
  "“Message” and “Buy” only record your interest: nothing is sent and nothing is charged.";

/** The language of a text of the listing, if there is such a text. */
const lang = (text) => (text ? { lang: languageTag() } : {});

/** `buttons` are the actions. */
export function listingView(listing, buttons) {
  const name = listing.name || UNTITLED;
  const photos = listing.photo_sizes ?? (listing.photos ?? []).map((url) => ({ url }));
  return element(
    "article", { className: has("photo") ? "product" : "product plain" },
    has("photo") ? gallery(photos, name) : null,
    element("div", { className: "facts" },
      listing.category.length ? element(
        "nav", { "aria-label": "Category" }, categoryPath(listing.category)) : null,
      element("h1", { id: "product-name", tabIndex: -1, ...lang(listing.name) }, name),
      element("p", { className: "price" }, has("price") ? money(listing.price) : null,
        badge(listing)),
      listing.price_expected == null ? null : element(
        "p", { className: "estimate" },
        "Estimated price: about ", element("b", {}, roughMoney(listing.price_expected))),
      place(listing),
      listing.created && element(
        "p", { className: "estimate" }, `Listed ${date(listing.created)}`),
      seller(listing),
      attributeList(listing),
      element("div", { className: "actions" }, buttons),
      buttons.length ? element("p", { className: "note" }, ACTIONS_NOTE) : null,
      element("p", { className: "description", ...lang(listing.description) },
        listing.description || (has("description") ? "No description." : ""))),
  );
}

function place({ location: name, distance_km: km }) {
  if (!name) return null;
  const far = km == null ? "" : ` · ${distance(km)} away`;
  return element("p", { className: "where", ...lang(name) }, name + far);
}

/** A link to a search. */
const searchLink = (text, params) =>
  element("a", { href: `${root || "./"}${addressOf(params)}` }, text);

const seller = ({ seller_id: id }) => id && element(
  "p", { className: "estimate" }, `Seller ${id} · `,
  searchLink("More from this seller", { seller_id: id }));

/** The attributes with their names. */
function attributeList(listing) {
  const rows = attributeTexts(listing).map(({ attribute, text }) => [
    element("dt", {}, attribute.label),
    element("dd", attribute.type === "category" || attribute.type === "text" ? lang(text) : {}, text),
  ]);
  return rows.length ? element("dl", { className: "attributes" }, rows.flat()) : null;
}

function categoryPath(category) {
  const items = category.map((name, index) => element(
    "li", {}, searchLink(name, { category: category.slice(0, index + 1).join(" / ") })));
  return element("ol", { className: "path" }, items);
}
