// The start page and the results: connects the form, the buttons and the history, then starts.

import { $, debounce, wantsNewTab } from "./dom.js";
import {
  checkFilters, currentForm, fillForm, form, isPlaceComplete, loadChoices,
} from "./form.js";
import { listenToWidth } from "./grid.js";
import { listenToHeader } from "./header.js";
import { listenToKeys } from "./keyboard.js";
import { addressOf, currentParams, currentSearch, saveScroll, updateState } from "./navigation.js";
import { listenToPhotos } from "./photo-input.js";
import { hasPhoto, photoKey, removePhoto, usePhoto } from "./photo.js";
import { clearFilters, restoreResults, searchNow, searchSoon, showMore } from "./results.js";
import { listenToCards } from "./search-ids.js";
import { listenToStartPage } from "./start.js";
import { closeSuggestions, listenToSuggestions } from "./suggestions.js";
import { listenToReasons } from "./why.js";

const SCROLL_PAUSE = 180; // ms without scrolling before the position is saved

/**
 * Search for what an address asks for, with the photo that is in use. `suggestId` is the search_id
 * of the suggestions among which the user chose it.
 */
function searchFor(params, { keepsPhoto = false, suggestId = null } = {}) {
  closeSuggestions();
  fillForm(new URLSearchParams(params));
  if (!keepsPhoto) removePhoto();
  searchNow({ suggestId });
}

function listenToForm() {
  $("q").addEventListener("input", searchSoon);
  $("search").addEventListener("submit", (event) => {
    event.preventDefault();
    searchNow();
  });
  for (const name of ["radius_km", "flagged", "near", "include_unavailable", "sort"]) {
    form[name].addEventListener("change", searchNow);
  }
  for (const name of ["price_min", "price_max"]) form[name].addEventListener("input", searchSoon);
  form.near.addEventListener("input", () => {
    checkFilters();
    if (isPlaceComplete()) searchSoon();
  });
  $("clear").addEventListener("click", clearFilters);
}

function listenToFilterPanel() {
  const show = (isOpen) => {
    $("filters").classList.toggle("open", isOpen);
    $("toggle-filters").setAttribute("aria-expanded", String(isOpen));
  };
  $("toggle-filters").addEventListener("click", () =>
    show(!$("filters").classList.contains("open")));
  $("show-results").addEventListener("click", () => {
    show(false);
    $("results").focus();
  });
}

function listenToLinks() {
  $("more").addEventListener("click", showMore);
  $("home").addEventListener("click", (event) => {
    if (wantsNewTab(event)) return;
    event.preventDefault();
    searchFor({});
    scrollTo(0, 0);
  });
  addEventListener("click", (event) => {
    const link = event.target.closest("a.to-search, #saved-link");
    if (!link || wantsNewTab(event)) return;
    event.preventDefault();
    searchFor(link.search, { keepsPhoto: link.search !== "" });
  });
}

function listenToHistory() {
  history.scrollRestoration = "manual"; // the browser would scroll before the cards exist
  addEventListener("popstate", () => {
    const key = hasPhoto(history.state?.photo) ? history.state.photo : null;
    if (addressOf(currentSearch()) === addressOf(currentForm()) && key === photoKey()) return;
    closeSuggestions();
    fillForm(currentParams());
    if (key) usePhoto(key);
    else removePhoto();
    restoreResults();
  });
  addEventListener("scroll", debounce(SCROLL_PAUSE, saveScroll), { passive: true });
  addEventListener("pagehide", saveScroll);
}

function load() {
  restoreResults();
  loadChoices({ onChoice: searchNow, onTyping: searchSoon }).catch(() => {}); // the search shows the error
}

listenToForm();
listenToFilterPanel();
listenToLinks();
listenToHistory();
listenToCards();
listenToHeader(load);
listenToPhotos();
listenToSuggestions(searchFor);
listenToKeys();
listenToReasons();
listenToStartPage();
listenToWidth();
updateState({ photo: null }); // a reload loses the photos
fillForm(currentParams());
load();
