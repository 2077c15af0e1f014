// The page: connects the form, the buttons and the browser's history, then starts.

import { setApiKey } from "./api.js";
import { listenToMenus } from "./attributes.js";
import { $, debounce, wantsNewTab } from "./dom.js";
import {
  checkFilters, currentForm, fillForm, form, isPlaceComplete, loadChoices,
} from "./form.js";
import { listenToKeys } from "./keyboard.js";
import { addressOf, currentParams, currentSearch, saveScroll, updateState } from "./navigation.js";
import { listenToPhotos } from "./photo-input.js";
import { hasPhoto, photoKey, removePhoto, usePhoto } from "./photo.js";
import { closeProduct, openProduct, showProduct } from "./product.js";
import { clearFilters, restoreResults, searchNow, searchSoon, showMore } from "./results.js";

const SCROLL_PAUSE = 180; // ms without scrolling before the position is saved

function listenToForm() {
  $("q").addEventListener("input", searchSoon);
  for (const id of ["search", "filters"]) {
    $(id).addEventListener("submit", (event) => {
      event.preventDefault();
      searchNow();
    });
  }
  for (const name of ["category", "radius_km", "flagged", "near", "include_unavailable"]) {
    form[name].addEventListener("change", searchNow);
  }
  for (const name of ["price_min", "price_max"]) form[name].addEventListener("input", searchSoon);
  form.near.addEventListener("input", () => {
    checkFilters();
    if (isPlaceComplete()) searchSoon();
  });
  $("clear").addEventListener("click", clearFilters);
  $("toggle-filters").addEventListener("click", () => {
    const isOpen = $("filters").classList.toggle("open");
    $("toggle-filters").setAttribute("aria-expanded", String(isOpen));
  });
}

function listenToLinks() {
  $("more").addEventListener("click", showMore);
  $("home").addEventListener("click", (event) => {
    if (wantsNewTab(event)) return;
    event.preventDefault();
    fillForm(new URLSearchParams());
    removePhoto();
    searchNow();
    scrollTo(0, 0);
  });
  addEventListener("click", (event) => {
    const link = event.target.closest("a.open");
    if (!link || wantsNewTab(event)) return;
    event.preventDefault();
    openProduct(link.dataset.product);
  });
}

function listenToDialogs() {
  $("close").addEventListener("click", closeProduct);
  $("product").addEventListener("cancel", (event) => {
    event.preventDefault(); // Escape: the URL has to change first
    closeProduct();
  });
  $("product").addEventListener("click", (event) => {
    if (event.target === $("product")) closeProduct(); // beside the sheet
  });
  $("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    setApiKey($("key").value.trim());
    $("locked").close();
    load();
  });
}

function listenToHistory() {
  history.scrollRestoration = "manual"; // the browser would scroll before the cards exist
  addEventListener("popstate", () => {
    const key = hasPhoto(history.state?.photo) ? history.state.photo : null;
    if (addressOf(currentSearch()) !== addressOf(currentForm()) || key !== photoKey()) {
      fillForm(currentParams());
      if (key) usePhoto(key);
      else removePhoto();
      restoreResults();
    }
    showProduct();
  });
  addEventListener("scroll", debounce(SCROLL_PAUSE, saveScroll), { passive: true });
  addEventListener("pagehide", saveScroll);
}

function load() {
  restoreResults();
  showProduct();
  loadChoices({ onChoice: searchNow, onTyping: searchSoon }).catch(() => {}); // the search shows the error
}

listenToForm();
listenToLinks();
listenToDialogs();
listenToHistory();
listenToPhotos();
listenToKeys();
listenToMenus();
updateState({ photo: null }); // a reload loses the photos
fillForm(currentParams());
load();
