// The dialog with a product.

import { fetchJson, latestOnly, messageOf } from "./api.js";
import { card } from "./cards.js";
import { $, announce, element, wantsNewTab } from "./dom.js";
import { currentForm, fillForm } from "./form.js";
import { loadSettings } from "./format.js";
import {
  addressOf, currentAddress, openProductId, pushEntry, setTitle, settle,
} from "./navigation.js";
import { removePhoto } from "./photo.js";
import { productPage } from "./product-page.js";
import { showRecommendations } from "./recommendations.js";
import { searchAnew } from "./results.js";
import { recordedEvents, recordEvent, userId } from "./user.js";

const SIMILAR_LISTINGS = 12;
const newRequest = latestOnly();

// The event, its button, and the button once the event is recorded. Nothing else happens.
const ACTIONS = [
  ["save", "Save", "Saved"],
  ["message", "Message", "Message recorded"],
  ["buy", "Buy", "Purchase recorded"],
];

export function openProduct(id) {
  const { depth = 0, fromList = false } = history.state ?? {};
  const params = currentAddress();
  const isFirst = !params.product;
  settle();
  pushEntry(
    { depth: isFirst ? 1 : depth + 1, fromList: isFirst || fromList },
    addressOf({ ...params, product: id }));
  showProduct();
}

/** Close the dialog; the promise ends once the address is that of the list. */
export function closeProduct() {
  const { depth, fromList } = history.state ?? {};
  if (depth && fromList) {
    const done = new Promise((resolve) => addEventListener("popstate", resolve, { once: true }));
    history.go(-depth);
    return done;
  }
  // The visit started with a link to the product, so no list is below it in the history.
  pushEntry({ depth: 0, fromList: false }, addressOf(currentForm()));
  showProduct();
  return Promise.resolve();
}

/** Show the product in the address bar, or close the dialog if there is none. */
export async function showProduct() {
  const id = openProductId();
  const signal = newRequest();
  if (!id) {
    closeDialog();
    return;
  }
  $("similar").hidden = true;
  $("product-body").replaceChildren(
    element("p", { className: "wait", id: "product-name" }, "Loading…"));
  if (!$("product").open) $("product").showModal();
  $("product").scrollTop = 0;
  try {
    await loadProduct(id, signal);
  } catch (error) {
    if (signal.aborted) return;
    const text = error.status === 404
      ? "This listing is no longer available." : `Sorry, an error occurred: ${messageOf(error)}`;
    $("product-body").replaceChildren(
      element("p", { className: "wait", id: "product-name", role: "alert" }, text));
  }
}

function closeDialog() {
  if ($("product").open) {
    $("product").close(); // returns the focus to the card, unless the row has changed
    if (document.activeElement === document.body) firstCard()?.focus();
  }
  setTitle($("q").value.trim());
}

export const firstCard = () =>
  document.querySelector("#for-you:not([hidden]) a.open, #cards a.open");

async function loadProduct(id, signal) {
  const path = encodeURIComponent(id);
  const request = fetchJson(`api/products/${path}`, {}, { signal });
  const [listing] = await Promise.all([request, loadSettings()]);
  if (signal.aborted) return;
  $("product-body").replaceChildren(
    productPage(listing, { buttons: actionButtons(id), onFilter }));
  setTitle(listing.name);
  $("product-name").focus();
  recordAndRefresh(id, "view").catch(() => {}); // nothing that the user could do about it
  const params = { limit: SIMILAR_LISTINGS, user: userId() };
  const { hits } = await fetchJson(`api/similar/${path}`, params, { signal });
  if (signal.aborted) return;
  $("similar-cards").replaceChildren(...hits.map((hit) => card(hit, { isBrief: true })));
  $("similar-cards").scrollLeft = 0;
  $("similar").hidden = !hits.length;
}

/** Record an event, and update the recommendations. */
async function recordAndRefresh(id, event) {
  await recordEvent(id, event);
  showRecommendations();
}

function actionButtons(id) {
  const recorded = recordedEvents(id);
  return ACTIONS.map(([event, label, labelWhenRecorded]) => {
    const isRecorded = recorded.has(event);
    const button = element("button", {
      type: "button", className: event === "buy" ? "solid" : "outline",
      "aria-pressed": String(isRecorded),
    }, isRecorded ? labelWhenRecorded : label);
    button.dataset.event = event;
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await recordAndRefresh(id, event);
        button.textContent = labelWhenRecorded;
        button.setAttribute("aria-pressed", "true");
        announce(labelWhenRecorded);
      } catch (error) {
        button.textContent = `${label} failed: try again`;
        announce(messageOf(error));
      }
      button.disabled = false;
      button.focus();
    });
    return button;
  });
}

/** Show the listings of a category or a seller in place of the product. */
function onFilter(event, params) {
  if (wantsNewTab(event)) return;
  event.preventDefault();
  fillForm(new URLSearchParams(params));
  removePhoto();
  pushEntry({ depth: 0, photo: null, shown: 0, scroll: 0 }, addressOf(params));
  showProduct();
  searchAnew();
  scrollTo(0, 0);
}
