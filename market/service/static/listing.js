// The page of a listing: its details, the actions, and similar listings.

import { fetchJson, fetchResults, KeyError, messageOf, root } from "./api.js";
import { card } from "./cards.js";
import { $, announce, element } from "./dom.js";
import { measureDwell } from "./dwell.js";
import { loadSettings } from "./format.js";
import { askForKey, listenToHeader } from "./header.js";
import { forget, isSaved, rememberSeen, save, unsave } from "./kept.js";
import { listingView } from "./listing-view.js";
import { currentParams, setTitle } from "./navigation.js";
import { listenToCards, searchOf } from "./search-ids.js";
import { recordedEvents, recordEvent, userId } from "./user.js";

const SIMILAR_LISTINGS = 12;
const id = $("results").dataset.product;

// The event, its button, and the button once the event is recorded. Nothing else happens.
const ACTIONS = [
  ["save", "Save", "Saved"],
  ["message", "Message", "Message recorded"],
  ["buy", "Buy", "Purchase recorded"],
];

async function load() {
  const near = currentParams().get("near") ?? "";
  const path = encodeURIComponent(id);
  try {
    const request = fetchJson(`api/products/${path}`, { near });
    const [listing] = await Promise.all([request, loadSettings()]);
    $("listing").replaceChildren(listingView(listing, actionButtons(listing)));
    setTitle(listing.name);
    rememberSeen(listing);
    recordEvent(id, "view", searchOf(id)).then((view) => view && measureDwell(view))
      .catch(() => {}); // nothing that the user could do about it
    await showSimilar(path);
  } catch (error) {
    showError(error);
  }
}

async function showSimilar(path) {
  const params = { limit: SIMILAR_LISTINGS, user: userId() };
  const { hits } = await fetchResults(`api/similar/${path}`, params).catch(() => ({ hits: [] }));
  if (!hits.length) return;
  $("similar-cards").replaceChildren(...hits.map((hit) => card(hit, { isBrief: true })));
  $("similar").hidden = false;
}

function showError(error) {
  if (error instanceof KeyError) askForKey(error.message);
  const isGone = error.status === 404;
  if (isGone) forget(id);
  const text = isGone ? "This listing is no longer available." : messageOf(error);
  const retry = element("button", { type: "button", className: "outline" }, "Try again");
  retry.addEventListener("click", load);
  $("listing").replaceChildren(element(
    "div", { className: "notice", role: "alert" }, element("p", {}, element("b", {}, text)),
    isGone ? null : retry,
    element("a", { className: "button", href: root || "./" }, "Back to the start page")));
}

function actionButtons(listing) {
  const recorded = recordedEvents(id);
  return ACTIONS.map(([event, label, labelWhenDone]) => {
    const isDone = event === "save" ? isSaved(id) : recorded.has(event);
    const button = element("button", {
      type: "button", className: event === "buy" ? "solid" : "outline",
      "aria-pressed": String(isDone), disabled: listing.available === false && event !== "save",
    }, isDone ? labelWhenDone : label);
    button.dataset.event = event;
    button.addEventListener("click", () => act(listing, button, event, label, labelWhenDone));
    return button;
  });
}

/** Record an event; a second click on "Saved" takes the listing from the saved ones. */
async function act(listing, button, event, label, labelWhenDone) {
  const show = (text, isDone) => {
    button.textContent = text;
    button.setAttribute("aria-pressed", String(isDone));
    announce(text);
  };
  if (event === "save" && isSaved(id)) {
    unsave(id);
    show(label, false);
    return;
  }
  button.disabled = true;
  try {
    if (event === "save") save(listing);
    await recordEvent(id, event, searchOf(id));
    show(labelWhenDone, true);
  } catch (error) {
    if (event === "save") show(labelWhenDone, true); // in this browser it is
    else {
      button.textContent = `${label} failed: try again`;
      announce(messageOf(error));
    }
  }
  button.disabled = false;
  button.focus();
}

/** "Back" returns to the list as it was, if the user came from there. */
function listenToBack() {
  const start = new URL(root || "./", document.baseURI);
  const from = document.referrer && new URL(document.referrer);
  if (!from || from.origin !== start.origin || from.pathname !== start.pathname) return;
  $("back").href = document.referrer;
  $("back").addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || history.length < 2) return;
    event.preventDefault();
    history.back();
  });
}

listenToHeader(load);
listenToBack();
listenToCards();
load();
