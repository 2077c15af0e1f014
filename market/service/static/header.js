// The number of saved listings in the header, and the dialog that asks for the API key.

import { apiKey, setApiKey } from "./api.js";
import { $ } from "./dom.js";
import { savedListings } from "./kept.js";

function showSaved() {
  const number = savedListings().length;
  $("saved-count").textContent = number || "";
  $("saved-link").hidden = !number;
}

export function askForKey(text) {
  $("key-error").textContent = apiKey() ? "Wrong API key: try again." : "";
  $("locked-text").textContent = text;
  $("key").value = "";
  if (!$("locked").open) $("locked").showModal();
}

/** Keep the header up to date; `load` runs once the user has given a key. */
export function listenToHeader(load) {
  $("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    setApiKey($("key").value.trim());
    $("locked").close();
    load();
  });
  for (const name of ["kept", "storage"]) addEventListener(name, showSaved);
  showSaved();
}
