// The search_id of the answer in which the user chose a listing, for the events that follow.

import { storageOf } from "./storage.js";

const MAX_AGE = 60_000; // ms from the click on a card until its page loads
// Not sessionStorage: a card may open in a new tab.
const storage = storageOf("localStorage");

function opened() {
  try {
    return JSON.parse(storage.get("opened") ?? "{}") ?? {};
  } catch {
    return {}; // another program wrote it
  }
}

/** Remember from which answer the page of a listing opens; null for none. */
export function rememberOpened(productId, searchId) {
  const recent = Object.entries(opened()).filter(([, { time }]) => Date.now() - time < MAX_AGE);
  const all = Object.fromEntries(recent);
  delete all[productId];
  if (searchId) all[productId] = { search: searchId, time: Date.now() };
  storage.set("opened", JSON.stringify(all));
}

/** The search_id of the answer from which this page of a listing was opened, if any. */
export function searchOf(productId) {
  // A reload and the Back button find it in the state of the history.
  if (history.state?.search === undefined) {
    const { search = null, time = 0 } = opened()[productId] ?? {};
    const isRecent = Date.now() - time < MAX_AGE;
    history.replaceState({ ...history.state, search: isRecent ? search : null }, "");
  }
  return history.state.search;
}

/** Remember the answer of each card that is opened, in this tab or in another. */
export function listenToCards() {
  const remember = (event) => {
    const link = event.target.closest?.("a.open");
    if (link) rememberOpened(link.dataset.product, link.dataset.search);
  };
  for (const name of ["click", "auxclick", "contextmenu"]) addEventListener(name, remember, true);
}
