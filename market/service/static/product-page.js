// A product with all its details, without the similar listings.

import { showPhoto } from "./api.js";
import { attributeTexts, badge, picture, UNTITLED } from "./cards.js";
import { element } from "./dom.js";
import { date, has, languageTag, money, roughMoney } from "./format.js";

const ACTIONS_NOTE =
  "“Message” and “Buy” only record your interest: nothing is sent and nothing is charged.";

/** The language of a text of the listing, if there is such a text. */
const lang = (text) => (text ? { lang: languageTag() } : {});

/** `buttons` are the actions; `onFilter(event, params)` handles a click on a link to a search. */
export function productPage(listing, { buttons, onFilter }) {
  const name = listing.name || UNTITLED;
  const estimate = listing.price_expected == null ? null : element(
    "p", { className: "estimate" },
    "Estimated price: about ", element("b", {}, roughMoney(listing.price_expected)));
  const listed = listing.created && element(
    "p", { className: "estimate" }, `Listed ${date(listing.created)}`);
  return element(
    "article", { className: has("photo") ? "product" : "product plain" },
    has("photo") ? gallery(listing, name) : null,
    element("div", { className: "facts" },
      listing.category.length ? element(
        "nav", { "aria-label": "Category" }, categoryPath(listing.category, onFilter)) : null,
      element("h2", { id: "product-name", tabIndex: -1, ...lang(listing.name) }, name),
      element("p", { className: "price" }, has("price") ? money(listing.price) : null,
        badge(listing)),
      estimate,
      element("p", { className: "where", ...lang(listing.location) }, listing.location),
      listed,
      sellerLink(listing, onFilter),
      attributeList(listing),
      element("div", { className: "actions" }, buttons),
      element("p", { className: "note" }, ACTIONS_NOTE),
      element("p", { className: "description", ...lang(listing.description) },
        listing.description || (has("description") ? "No description." : ""))),
  );
}

function gallery(listing, name) {
  const shown = element("div", { className: "shown" },
    picture(listing.photo, `Photo of ${name}`, true));
  const urls = listing.photos.length < 2 ? [] : listing.photos;
  const thumbnails = urls.map((url, index) => {
    const image = element("img", { alt: "", width: 224, height: 224 });
    showPhoto(image, url);
    const button = element("button", {
      type: "button", "aria-label": `Photo ${index + 1} of ${urls.length}`,
      "aria-pressed": String(index === 0),
    }, image);
    button.addEventListener("click", () => {
      shown.replaceChildren(picture(url, `Photo ${index + 1} of ${name}`, true));
      for (const other of thumbnails) other.setAttribute("aria-pressed", String(other === button));
    });
    return button;
  });
  return element("div", { className: "gallery" }, shown, thumbnails.length ? element(
    "div", { className: "thumbs", role: "group", "aria-label": "Photos" }, thumbnails) : null);
}

/** A link to a search. */
function filterLink(text, params, onFilter) {
  const link = element("a", { href: `?${new URLSearchParams(params)}` }, text);
  link.addEventListener("click", (event) => onFilter(event, params));
  return link;
}

function sellerLink({ seller_id: seller }, onFilter) {
  return seller && element("p", { className: "estimate" },
    filterLink("More from this seller", { seller_id: seller }, onFilter));
}

/** The attributes with their names. */
function attributeList(listing) {
  const rows = attributeTexts(listing).map(({ attribute, text }) => [
    element("dt", {}, attribute.label),
    element("dd", attribute.type === "category" || attribute.type === "text" ? lang(text) : {}, text),
  ]);
  return rows.length ? element("dl", { className: "attributes" }, rows.flat()) : null;
}

function categoryPath(category, onFilter) {
  const items = category.map((name, index) => {
    const path = category.slice(0, index + 1).join(" / ");
    return element("li", {}, filterLink(name, { category: path }, onFilter));
  });
  return element("ol", { className: "path" }, items);
}
