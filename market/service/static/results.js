// The search and its results.

import { apiKey, fetchJson, KeyError, latestOnly, messageOf } from "./api.js";
import { showCounts } from "./attributes.js";
import { card, skeletons } from "./cards.js";
import { $, announce, debounce, element } from "./dom.js";
import {
  checkFilters, currentForm, fillFormWithoutFilters, filters, isStartPage,
} from "./form.js";
import { attributes, has, listingCount, loadSettings } from "./format.js";
import { completeAddress, recordSearch, setTitle, settle, updateState } from "./navigation.js";
import { currentPhoto } from "./photo.js";
import { recommendedIds, showRecommendations } from "./recommendations.js";
import { userId } from "./user.js";

const PAGE_SIZE = 24;
const TYPING_PAUSE = 180; // ms without a keystroke before a search
const READING_TIME = 1500; // ms: after looking at results for so long, typing on is a new search
const MAX_RESTORED = 480; // hits that a reload or the Back button shows again
const MAX_REQUESTED = 100; // hits in one request, as the API allows
const newRequest = latestOnly();
let shown = 0; // hits in the grid
let settling; // timer

// --- Requests -------------------------------------------------------------------------------------
function requestHits(offset, limit, signal) {
  const params = { ...currentForm(), limit, offset, ...(offset === 0 && { facets: true }) };
  // The row of recommendations personalises the start page; the list below is the same for all.
  if (!isStartPage()) params.user = userId();
  const photo = currentPhoto();
  if (!photo) return fetchJson("api/search", params, { signal });
  const body = new FormData();
  for (const [name, value] of Object.entries(params)) {
    for (const each of [value].flat()) body.append(name, each);
  }
  body.set("photo", photo, "photo.jpg");
  return fetchJson("api/search/photo", {}, { method: "POST", body, signal });
}

/** The first `number` hits, as one result. */
async function requestFirst(number, signal) {
  const results = await requestHits(0, Math.min(number, MAX_REQUESTED), signal);
  while (results.hits.length < Math.min(number, results.total)) {
    const limit = Math.min(number - results.hits.length, MAX_REQUESTED);
    const { hits } = await requestHits(results.hits.length, limit, signal);
    if (!hits.length) break;
    results.hits.push(...hits);
  }
  return results;
}

// --- Searches -------------------------------------------------------------------------------------
export const searchSoon = debounce(TYPING_PAUSE, () => runSearch({ isTyping: true }));

export function searchNow() {
  searchSoon.cancel();
  runSearch();
}

/** Show the results of this entry of the history again, with the same scroll position. */
export function restoreResults() {
  searchSoon.cancel();
  runSearch({ isRestoring: true });
}

/** Search without the results of the last search on the screen. */
export function searchAnew() {
  shown = 0;
  searchNow();
}

async function runSearch({ isTyping = false, isRestoring = false } = {}) {
  if (!checkFilters()) return;
  const signal = newRequest();
  const search = currentForm();
  const before = isRestoring ? history.state ?? {} : {};
  clearTimeout(settling);
  if (isRestoring) {
    settle();
    completeAddress(search);
  } else recordSearch(search, isTyping);
  const number = Math.min(Math.max(before.shown ?? 0, PAGE_SIZE), MAX_RESTORED);
  $("results").setAttribute("aria-busy", "true");
  if (!shown) $("cards").replaceChildren(...skeletons(8));
  $("more").hidden = true;
  try {
    // Wait for the recommendations too: the grid leaves out what they show.
    const [results] = await Promise.all([
      requestFirst(number, signal), showRecommendations(), loadSettings(),
    ]);
    if (signal.aborted) return;
    showResults(search, results);
    if (isRestoring) scrollTo(0, before.scroll ?? 0);
    settling = setTimeout(settle, READING_TIME);
  } catch (error) {
    if (signal.aborted) return;
    showError(error, isRestoring ? restoreResults : searchNow);
  }
  $("results").removeAttribute("aria-busy");
}

export async function showMore() {
  const signal = newRequest();
  settle();
  $("more").disabled = true;
  try {
    const results = await requestHits(shown, PAGE_SIZE, signal);
    if (signal.aborted) return;
    // Events may have changed the order meanwhile: show nothing twice.
    const present = new Set(shownLinks().map((link) => link.dataset.product));
    const cards = cardsOf(results.hits.filter((hit) => !present.has(hit.product_id)));
    $("cards").append(...cards);
    shown += results.hits.length;
    updateState({ shown });
    $("more").hidden = shown >= results.total || !results.hits.length;
    announce(`${listingCount(cards.length)} more`);
    cards[0]?.querySelector("a").focus({ preventScroll: true });
  } catch (error) {
    if (!signal.aborted) showError(error, showMore);
  } finally {
    $("more").disabled = false;
  }
}

export function clearFilters() {
  fillFormWithoutFilters();
  searchNow();
}

// --- Display --------------------------------------------------------------------------------------
const shownLinks = () => [...$("cards").querySelectorAll("a.open")];

/** The cards of hits, without those among the recommendations, unless none would be left. */
function cardsOf(hits) {
  const recommended = new Set(recommendedIds());
  const others = hits.filter((hit) => !recommended.has(hit.product_id));
  return (others.length ? others : hits).map((hit) => card(hit));
}

function showResults(search, results) {
  showHeading(search, results);
  showCounts(results.attributes);
  $("error").hidden = true;
  // Keep the focus for users who moved on by keyboard before the results came.
  const focused = shownLinks().indexOf(document.activeElement);
  $("cards").replaceChildren(...cardsOf(results.hits));
  if (focused >= 0) shownLinks()[focused]?.focus();
  shown = results.hits.length;
  updateState({ shown });
  $("more").hidden = shown >= results.total;
  if (!shown) showNoResults(search, results);
  else $("nothing").hidden = true;
}

function showHeading(search, results) {
  const query = results.corrected_query ?? search.q;
  const hasNoWords = results.corrected_query === "" && search.q;
  let heading = search.seller_id ? "Listings of this seller" : "All listings";
  if (search.category) heading = search.category.split(" / ").at(-1);
  if (query) heading = `Results for “${query}”`;
  if (currentPhoto()) {
    heading = query ? `Similar to your photo and “${query}”` : "Similar to your photo";
  }
  const notes = [listingCount(results.total)];
  if (results.corrected_query) notes.push(`corrected from “${search.q}”`);
  if (hasNoWords) notes.push(`“${search.q}” has no searchable words`);
  $("results-title").textContent = heading;
  $("results-note").textContent = notes.join(" · ");
  if (!$("product").open) setTitle(query);
  announce(`${heading}: ${notes.join(", ")}`);
}

function showNoResults(search, results) {
  const isFiltered = Object.keys(filters()).length > 0;
  let text = isFiltered ? "No listings match these filters." : "There are no listings yet.";
  if (search.q && results.corrected_query !== "") {
    text = `No listings match “${search.q}”${isFiltered ? " and these filters" : ""}.`;
  }
  const hasUsualFilters = has("price") && has("place") && has("category") && !attributes().length;
  const wider = hasUsualFilters
    ? "Try a wider price range or distance, or another category." : "Try wider or fewer filters.";
  let hint = isFiltered ? wider : "Try fewer or different words.";
  if (results.unknown_place) {
    text = `There is no place called “${results.unknown_place}”.`;
    hint = "Check the spelling, or try the nearest larger town.";
  } else if (results.empty_place) {
    text = `No listings are near “${results.empty_place}”.`;
    hint = "Choose a longer distance, or another place.";
  }
  const button = element("button", { type: "button", className: "outline" }, "Clear filters");
  button.addEventListener("click", clearFilters);
  $("nothing").replaceChildren(
    element("p", {}, element("b", {}, text), " ", hint), ...(isFiltered ? [button] : []));
  $("nothing").hidden = false;
}

/** Show an error above the results, with a button that calls `retry`. */
export function showError(error, retry) {
  if (error instanceof KeyError) askForKey(error.message);
  const text = messageOf(error);
  const [message, button] = $("error").children;
  message.textContent = text[0].toUpperCase() + text.slice(1);
  button.onclick = retry;
  $("error").hidden = false;
  if (!shown) $("cards").replaceChildren();
  $("nothing").hidden = true;
}

function askForKey(text) {
  $("key-error").textContent = apiKey() ? "Wrong API key: try again." : "";
  $("locked-text").textContent = text;
  $("key").value = "";
  if (!$("locked").open) $("locked").showModal();
}
