// A product with all its details, without the similar listings.

import { showPhoto } from "./api.js";
import { picture, priceBadge, UNTITLED } from "./cards.js";
import { element } from "./dom.js";
import { date, languageTag, money, roughMoney } from "./format.js";

const ACTIONS_NOTE =
  "“Message” and “Buy” only record your interest: nothing is sent and nothing is charged.";

/** The language of a text of the listing, if there is such a text. */
const lang = (text) => (text ? { lang: languageTag() } : {});

/** `buttons` are the actions; `onCategory(event, path)` handles a click on a category. */
export function productPage(listing, { buttons, onCategory }) {
  const name = listing.name || UNTITLED;
  const estimate = listing.price_expected == null ? null : element(
    "p", { className: "estimate" },
    "Estimated price: about ", element("b", {}, roughMoney(listing.price_expected)));
  const listed = listing.created && element(
    "p", { className: "estimate" }, `Listed ${date(listing.created)}`);
  return element(
    "article", { className: "product" },
    gallery(listing, name),
    element("div", { className: "facts" },
      element("nav", { "aria-label": "Category" }, categoryPath(listing.category, onCategory)),
      element("h2", { id: "product-name", tabIndex: -1, ...lang(listing.name) }, name),
      element("p", { className: "price" }, money(listing.price), priceBadge(listing.price_flag)),
      estimate,
      element("p", { className: "where", ...lang(listing.location) }, listing.location),
      listed,
      element("div", { className: "actions" }, buttons),
      element("p", { className: "note" }, ACTIONS_NOTE),
      element("p", { className: "description", ...lang(listing.description) },
        listing.description || "No description.")),
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

function categoryPath(category, onCategory) {
  const items = category.map((name, index) => {
    const path = category.slice(0, index + 1).join(" / ");
    const link = element("a", { href: `?category=${encodeURIComponent(path)}` }, name);
    link.addEventListener("click", (event) => onCategory(event, path));
    return element("li", {}, link);
  });
  return element("ol", { className: "path" }, items);
}
