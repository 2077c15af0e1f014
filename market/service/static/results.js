// The search and its results.

import { fetchResults, KeyError, latestOnly, messageOf } from "./api.js";
import { showCounts } from "./attributes.js";
import { card, skeletons } from "./cards.js";
import { showChips } from "./chips.js";
import { $, announce, debounce } from "./dom.js";
import { showNoResults } from "./empty.js";
import { showFacets } from "./facets.js";
import {
  allCategories, checkFilters, currentForm, fillForm, fillFormWithoutFilters, isStartPage,
} from "./form.js";
import { listingCount, loadSettings } from "./format.js";
import { endRowsEvenly } from "./grid.js";
import { askForKey } from "./header.js";
import { completeAddress, recordSearch, setTitle, settle, updateState } from "./navigation.js";
import { currentPhoto } from "./photo.js";
import { recommendedIds, showRecommendations } from "./recommendations.js";
import { requestSaved } from "./saved.js";
import { closeSuggestions } from "./suggestions.js";
import { userId } from "./user.js";

const PAGE_SIZE = 24; // rows of 2, 3, 4, 6 and 8 cards end evenly
const TYPING_PAUSE = 180; // ms without a keystroke before a search
const READING_TIME = 1500; // ms: after looking at results for so long, typing on is a new search
const MAX_RESTORED = 480; // hits that a reload or the Back button shows again
const MAX_REQUESTED = 100; // hits in one request, as the API allows
const EAGER_PHOTOS = 8; // photos that load at once, as they are in view
const newRequest = latestOnly();
let shown = $("cards").children.length; // hits in the grid; the service has rendered the first
let cursor = null; // of the next page, if the API gives one
let suggestedBy = null; // search_id of the suggestions among which the user chose this search
let settling; // timer

// --- Requests -------------------------------------------------------------------------------------
function requestHits(offset, limit, signal) {
  const search = currentForm();
  if (search.saved) return requestSaved(signal);
  const params = {
    ...search, limit, ...(offset === 0 && { facets: true }),
    ...(suggestedBy && { suggest_id: suggestedBy }),
  };
  if (offset && cursor) params.cursor = cursor;
  else params.offset = offset;
  // The row of recommendations personalises the start page; the list below is the same for all.
  if (!isStartPage()) params.user = userId();
  const photo = currentPhoto();
  if (!photo) return fetchResults("api/search", params, { signal });
  const body = new FormData();
  for (const [name, value] of Object.entries(params)) {
    for (const each of [value].flat()) body.append(name, each);
  }
  body.set("photo", photo, "photo.jpg");
  return fetchResults("api/search/photo", {}, { method: "POST", body, signal });
}

/** The first `number` hits, as one result. */
async function requestFirst(number, signal) {
  cursor = null;
  const results = await requestHits(0, Math.min(number, MAX_REQUESTED), signal);
  cursor = results.next_cursor ?? null;
  while (results.hits.length < Math.min(number, results.total)) {
    const limit = Math.min(number - results.hits.length, MAX_REQUESTED);
    const { hits, next_cursor: next } = await requestHits(results.hits.length, limit, signal);
    cursor = next ?? null;
    if (!hits.length) break;
    results.hits.push(...hits);
  }
  return results;
}

// --- Searches -------------------------------------------------------------------------------------
export const searchSoon = debounce(TYPING_PAUSE, () => runSearch({ isTyping: true }));

export function searchNow({ suggestId = null } = {}) {
  searchSoon.cancel();
  runSearch({ suggestId });
}

/** Show the results of this entry of the history again, with the same scroll position. */
export function restoreResults() {
  searchSoon.cancel();
  runSearch({ isRestoring: true });
}

async function runSearch({ isTyping = false, isRestoring = false, suggestId = null } = {}) {
  if (!checkFilters()) return;
  suggestedBy = suggestId;
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
  if (!shown) $("cards").replaceChildren(...skeletons(PAGE_SIZE / 2));
  $("more").hidden = true;
  try {
    // Wait for the recommendations too: the grid leaves out what they show.
    const [results] = await Promise.all([
      requestFirst(number, signal), showRecommendations(), loadSettings(),
    ]);
    if (signal.aborted) return;
    if (follow(results.redirect, isTyping || isRestoring)) return;
    showResults(search, results);
    if (isRestoring) scrollTo(0, before.scroll ?? 0);
    settling = setTimeout(settle, READING_TIME);
  } catch (error) {
    if (signal.aborted) return;
    showError(error, isRestoring ? restoreResults : searchNow);
  }
  $("results").removeAttribute("aria-busy");
}

/**
 * Go to where a rule of the shop leads this search, once the user has finished typing: to a page
 * of the shop, or to another search. Return whether it does.
 */
function follow(redirect, isTyping) {
  if (!redirect || isTyping) return false;
  if (redirect.path) {
    const url = new URL(redirect.path, document.baseURI);
    if (url.origin !== location.origin || url.href === location.href) return false;
    location.assign(url);
    return true;
  }
  fillForm(new URLSearchParams(redirect.filters));
  searchNow();
  return true;
}

export async function showMore() {
  const signal = newRequest();
  settle();
  $("more").disabled = true;
  try {
    const results = await requestHits(shown, PAGE_SIZE, signal);
    if (signal.aborted) return;
    cursor = results.next_cursor ?? null;
    // Events may have changed the order meanwhile: show nothing twice.
    const present = new Set(shownLinks().map((link) => link.dataset.product));
    const cards = cardsOf(results.hits.filter((hit) => !present.has(hit.product_id)));
    $("cards").append(...cards);
    shown += results.hits.length;
    updateState({ shown });
    $("more").hidden = shown >= results.total || !results.hits.length;
    endRowsEvenly();
    announce(`${listingCount(cards.length)} more`);
    cards[0]?.querySelector("a").focus({ preventScroll: true });
  } catch (error) {
    if (!signal.aborted) showError(error, showMore, { keepsResults: true });
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
function cardsOf(hits, isFirst = false) {
  const recommended = new Set(recommendedIds());
  const others = hits.filter((hit) => !recommended.has(hit.product_id));
  const { near } = currentForm();
  return (others.length ? others : hits).map((hit, index) =>
    card(hit, { near, isEager: isFirst && index < EAGER_PHOTOS }));
}

function showResults(search, results) {
  showHeading(search, results);
  showChips(search, results);
  showCounts(results.attributes);
  showFacets(search, results, allCategories());
  $("error").hidden = true;
  // Keep the focus for users who moved on by keyboard before the results came.
  const focused = shownLinks().indexOf(document.activeElement);
  $("cards").replaceChildren(...cardsOf(results.hits, true));
  if (focused >= 0) shownLinks()[focused]?.focus();
  shown = results.hits.length;
  updateState({ shown });
  $("more").hidden = shown >= results.total;
  endRowsEvenly();
  showRelated(results.related ?? []);
  if (!shown) showNoResults(search, results, clearFilters);
  else $("nothing").hidden = true;
}

/** Listings below the cut-off of relevance, apart from the results. */
function showRelated(hits) {
  const { near } = currentForm();
  $("related-cards").replaceChildren(...hits.map((hit) => card(hit, { near })));
  $("related").hidden = !hits.length;
}

function headingOf(search, query) {
  if (currentPhoto()) {
    return query ? `Similar to your photo and “${query}”` : "Similar to your photo";
  }
  if (query) return `Results for “${query}”`;
  if (search.saved) return "Saved listings";
  if (search.category) return search.category.split(" / ").at(-1);
  return search.seller_id ? "Listings of this seller" : "All listings";
}

function showHeading(search, results) {
  const query = results.corrected_query ?? search.q;
  const hasNoWords = results.corrected_query === "" && search.q;
  const heading = headingOf(search, query);
  const notes = [listingCount(results.total)];
  if (results.corrected_query) notes.push(`corrected from “${search.q}”`);
  if (hasNoWords) notes.push(`“${search.q}” has no searchable words`);
  $("results-title").textContent = heading;
  $("results-note").textContent = notes.join(" · ");
  $("sort-field").hidden = Boolean(search.saved);
  setTitle(query);
  announce(`${heading}: ${notes.join(", ")}`);
}

/**
 * Show an error with a button that calls `retry`, in place of the results of an earlier search.
 * `keepsResults` where the error concerns more results of the same search.
 */
export function showError(error, retry, { keepsResults = false } = {}) {
  if (error instanceof KeyError) askForKey(error.message);
  closeSuggestions(); // they would cover the message
  const text = messageOf(error);
  $("error").querySelector("p").textContent = text[0].toUpperCase() + text.slice(1);
  $("retry").onclick = retry;
  $("error").hidden = false;
  $("nothing").hidden = true;
  if (keepsResults) return;
  shown = 0;
  $("cards").replaceChildren();
  $("more").hidden = true;
  $("results-note").textContent = "";
  $("results-title").textContent = headingOf(currentForm(), currentForm().q);
  showRelated([]);
}
