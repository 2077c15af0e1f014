// Elements, made from listings. Whatever a listing says is set as text, never as HTML.

import { showPhoto } from "./api.js";

/** An element with properties, attributes (data-*, aria-*, role) and children. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value == null) continue;
    if (name.includes("-") || name === "role") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.flat().filter((child) => child != null));
  return made;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

function pounds(amount) {
  if (amount == null) return "No price";
  if (amount === 0) return "Free";
  const whole = Number.isInteger(amount) || amount >= 1000;
  const digits = whole ? 0 : 2;
  return amount.toLocaleString("en-GB", {
    style: "currency", currency: "GBP",
    minimumFractionDigits: digits, maximumFractionDigits: digits,
  });
}

/** "about £40": no more digits than a guess has. */
function roughly(amount) {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(amount, 1))) - 1);
  return pounds(Math.round(amount / step) * step);
}

function kilometres(distance) {
  return distance < 1 ? "under 1 km" : `${Math.round(distance).toLocaleString("en-GB")} km`;
}

export function count(number) {
  return `${number.toLocaleString("en-GB")} ${number === 1 ? "listing" : "listings"}`;
}

const FLAGS = {
  placeholder: "Not a real price?",
  "far above": "Far above usual",
  "far below": "Far below usual",
};

function badge(flag) {
  return flag && element("span", { className: "badge" }, FLAGS[flag] ?? flag);
}

/** The photo, or a quiet square that says there is none. */
function picture(url, description, eager = false) {
  const none = () => element("span", { className: "picture none" }, icon("photo"), "No photo");
  if (!url) return none();
  const image = element("img", {
    className: "picture", alt: description, decoding: "async",
    loading: eager ? "eager" : "lazy", width: 224, height: 224,
  });
  image.addEventListener("error", () => image.replaceWith(none()));
  showPhoto(image, url);
  return image;
}

/** What speaks for a hit, the strongest first: [{words, part}], parts of 1 in all. */
function reasonsFor(hit) {
  const good = hit.why.filter((reason) => reason.contribution > 0);
  const sum = good.reduce((total, reason) => total + reason.contribution, 0);
  return good
    .map((reason) => ({ words: reason.words, part: reason.contribution / sum }))
    .filter((reason) => reason.part >= 0.03);
}

function why(hit) {
  const reasons = reasonsFor(hit);
  if (!reasons.length) return null;
  const [first, second] = reasons;
  const also = second && element("span", { className: "also" }, `, ${second.words}`);
  const bars = reasons.map(({ words, part }) => {
    const bar = element("span", { className: "part", "aria-hidden": "true" });
    bar.style.setProperty("--part", part);
    const percent = `${Math.round(100 * part)} %`;
    return element("li", {}, element("span", {}, words), element("span", {}, percent), bar);
  });
  return element(
    "details", { className: "why" },
    element("summary", {}, element("b", {}, "Why this: "), first.words, ...(also ? [also] : [])),
    element("ul", {}, bars),
  );
}

/** A hit as a list item; its link opens the product. */
export function card(hit, { brief = false } = {}) {
  const place = hit.location.split(",")[0];
  const where = [place, hit.distance_km != null && kilometres(hit.distance_km)];
  const href = `?product=${encodeURIComponent(hit.product_id)}`;
  const link = element("a", { className: "open", href }, hit.name || "Without a name");
  link.dataset.product = hit.product_id;
  return element(
    "li", { className: "card" },
    // The name beside it says what it shows.
    element("span", { className: "frame" }, picture(hit.photo, ""), badge(hit.price_flag)),
    element("p", { className: "price" }, pounds(hit.price)),
    element("h3", {}, link),
    element("p", { className: "where" }, where.filter(Boolean).join(" · ")),
    brief ? null : why(hit),
  );
}

export function skeletons(number) {
  return Array.from({ length: number }, () =>
    element("li", { className: "card waiting", "aria-hidden": "true" },
      element("span", { className: "frame" }), element("span", {}), element("span", {})));
}

/** A product's page, without its similar ones. `actions` are buttons. */
export function product(listing, { actions, onCategory }) {
  const shown = element("div", { className: "shown" },
    picture(listing.photo, `Photo of ${listing.name}`, true));
  const thumbs = listing.photos.length < 2 ? [] : listing.photos.map((url, index) => {
    const thumb = element("img", { alt: "", width: 224, height: 224 });
    showPhoto(thumb, url);
    const choose = element("button", {
      type: "button", "aria-label": `Photo ${index + 1} of ${listing.photos.length}`,
      "aria-pressed": String(index === 0),
    }, thumb);
    choose.addEventListener("click", () => {
      shown.replaceChildren(
        picture(url, `Photo ${index + 1} of ${listing.name}`, true));
      for (const other of thumbs) other.setAttribute("aria-pressed", String(other === choose));
    });
    return choose;
  });
  const path = listing.category.map((name, index) => {
    const whole = listing.category.slice(0, index + 1).join(" / ");
    const link = element("a", { href: `?category=${encodeURIComponent(whole)}` }, name);
    link.addEventListener("click", (event) => onCategory(event, whole));
    return element("li", {}, link);
  });
  const expected = listing.price_expected == null ? null : element("p", { className: "expected" },
    "We would expect about ", element("b", {}, roughly(listing.price_expected)), ".");
  return element(
    "article", { className: "product" },
    element("div", { className: "gallery" }, shown, thumbs.length ? element(
      "div", { className: "thumbs", role: "group", "aria-label": "Photos" }, thumbs) : null),
    element("div", { className: "facts" },
      element("nav", { "aria-label": "Category" }, element("ol", { className: "path" }, path)),
      element("h2", { id: "product-name", tabIndex: -1 }, listing.name || "Without a name"),
      element("p", { className: "price" }, pounds(listing.price), badge(listing.price_flag)),
      expected,
      element("p", { className: "where" }, listing.location),
      element("div", { className: "actions" }, actions),
      element("p", { className: "description" }, listing.description || "No description.")),
  );
}
