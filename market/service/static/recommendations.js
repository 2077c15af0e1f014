// The row of recommendations on the start page.

import { fetchResults, latestOnly } from "./api.js";
import { card, skeletons } from "./cards.js";
import { $ } from "./dom.js";
import { isStartPage } from "./form.js";
import { showStartPage } from "./start.js";
import { loadSettings } from "./format.js";
import { hasHistory, userId } from "./user.js";

const NUMBER = 12;
const newRequest = latestOnly();

export async function showRecommendations() {
  const signal = newRequest();
  showStartPage(isStartPage());
  if (!isStartPage()) {
    $("for-you").hidden = true;
    return;
  }
  try {
    if (!$("for-you-cards").children.length) {
      $("for-you-cards").replaceChildren(...skeletons(NUMBER)); // nothing below moves later
    }
    $("for-you").hidden = false;
    const path = `api/recommend/${encodeURIComponent(userId())}`;
    const request = fetchResults(path, { limit: NUMBER }, { signal });
    const [{ hits }] = await Promise.all([request, loadSettings()]);
    if (signal.aborted) return;
    const isPersonal = hasHistory();
    $("for-you-title").textContent = isPersonal ? "For you" : "Suggestions";
    $("for-you-note").textContent = isPersonal
      ? "based on what you viewed"
      : "Browse a few items to personalise this row";
    $("for-you-cards").replaceChildren(...hits.map((hit) => card(hit, { isBrief: true })));
    $("for-you").hidden = !hits.length;
  } catch {
    if (!signal.aborted) $("for-you").hidden = true; // the search shows the error
  }
}

/** The ids of the products in the row. */
export function recommendedIds() {
  if ($("for-you").hidden) return [];
  return [...$("for-you-cards").querySelectorAll("a.open")].map((link) => link.dataset.product);
}
