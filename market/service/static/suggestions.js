// Suggestions under the search box as one types: a combobox with a list box.

import { fetchJson, latestOnly } from "./api.js";
import { listingAddress } from "./cards.js";
import { $, announce, debounce, element, icon } from "./dom.js";
import { has } from "./format.js";
import { picture } from "./photos.js";
import { rememberOpened } from "./search-ids.js";
import { userId } from "./user.js";

const LIMIT = 8;
const TYPING_PAUSE = 90; // ms without a keystroke
const KINDS = { category: "Category", listing: "Listing" };
const newRequest = latestOnly();
let isSupported = true;
let suggestions = [];
let searchId = null; // of their answer
let active = -1; // index of the highlighted suggestion

export const isOpen = () => !$("suggestions").hidden;

export function closeSuggestions() {
  requestSoon.cancel();
  newRequest();
  show([]);
}

function show(found) {
  suggestions = found;
  active = -1;
  $("suggestions").replaceChildren(...found.map(option));
  $("suggestions").hidden = !found.length;
  $("q").setAttribute("aria-expanded", String(found.length > 0));
  $("q").removeAttribute("aria-activedescendant");
}

function option(suggestion, index) {
  const { kind, text, category, photo } = suggestion;
  const about = kind === "category" ? "" : category;
  const image = kind === "listing" && photo && has("photo")
    ? picture({ url: photo, width: 40, height: 40 }, "") : icon("search");
  return element(
    "li", { role: "option", id: `suggestion-${index}`, "aria-selected": "false" },
    image, element("span", {}, text),
    element("small", {}, [KINDS[kind], about].filter(Boolean).join(" · ")));
}

function highlight(index) {
  const options = [...$("suggestions").children];
  options[active]?.setAttribute("aria-selected", "false");
  active = index;
  options[active]?.setAttribute("aria-selected", "true");
  options[active]?.scrollIntoView({ block: "nearest" });
  if (active < 0) $("q").removeAttribute("aria-activedescendant");
  else $("q").setAttribute("aria-activedescendant", `suggestion-${active}`);
}

const requestSoon = debounce(TYPING_PAUSE, async () => {
  const q = $("q").value.trim();
  if (!isSupported || !q || document.activeElement !== $("q")) return;
  const signal = newRequest();
  try {
    const params = { q, limit: LIMIT, user: userId() };
    const answer = await fetchJson("api/suggest", params, { signal });
    if (signal.aborted || document.activeElement !== $("q")) return;
    show(answer.suggestions ?? []);
    searchId = answer.search_id ?? null;
    if (suggestions.length) announce(`${suggestions.length} suggestions`);
  } catch (error) {
    if (error.status === 404) isSupported = false;
    if (!signal.aborted) show([]); // the search itself shows errors
  }
});

/** `search(params, options)` shows the results of a suggested query or category. */
function choose({ kind, text, category, product_id: id }, search) {
  closeSuggestions();
  if (kind === "listing") {
    rememberOpened(id, searchId);
    location.assign(listingAddress(id));
  } else {
    const params = kind === "category" ? { category: category || text } : { q: text };
    search(params, { suggestId: searchId });
  }
}

function onKey(event, search) {
  if (!isOpen()) return;
  const last = suggestions.length - 1;
  const moves = {
    ArrowDown: active === last ? -1 : active + 1,
    ArrowUp: active < 0 ? last : active - 1,
  };
  if (event.key in moves) highlight(moves[event.key]);
  else if (event.key === "Enter" && active >= 0) choose(suggestions[active], search);
  else if (event.key === "Escape") closeSuggestions();
  else return;
  event.preventDefault();
}

export function listenToSuggestions(search) {
  $("q").addEventListener("input", requestSoon);
  $("q").addEventListener("keydown", (event) => onKey(event, search));
  $("q").addEventListener("blur", closeSuggestions);
  $("search").addEventListener("submit", closeSuggestions);
  // Not click: the box would lose its focus first, which closes the list.
  $("suggestions").addEventListener("pointerdown", (event) => {
    const chosen = event.target.closest("[role=option]");
    if (!chosen) return;
    event.preventDefault();
    choose(suggestions[[...$("suggestions").children].indexOf(chosen)], search);
  });
}
