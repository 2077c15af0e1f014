// What the page says where there are no results, with a way on from each such state.

import { $, element } from "./dom.js";
import { currentForm, filters } from "./form.js";
import { attributes, has } from "./format.js";
import { addressOf } from "./navigation.js";

const toSearch = (text, search) =>
  element("a", { className: "to-search button", href: addressOf(search) }, text);

/** [what happened, what to try] for a search without results. */
function texts(search, results) {
  if (search.saved) {
    return ["You have not saved anything yet.", "The heart on a listing saves it in this browser."];
  }
  if (results.unknown_place) {
    return [`There is no place called “${results.unknown_place}”.`,
      "Check the spelling, or try the nearest larger town."];
  }
  if (results.empty_place) {
    return [`No listings are near “${results.empty_place}”.`,
      "Choose a longer distance, or another place."];
  }
  const isFiltered = Object.keys(filters()).length > 0;
  const hasUsualFilters = has("price") && has("place") && has("category") && !attributes().length;
  const wider = hasUsualFilters
    ? "Try a wider price range or distance, or another category." : "Try wider or fewer filters.";
  if (search.q && results.corrected_query !== "") {
    return [`No listings match “${search.q}”${isFiltered ? " and these filters" : ""}.`,
      isFiltered ? wider : "Try fewer or different words."];
  }
  return isFiltered
    ? ["No listings match these filters.", wider] : ["There are no listings yet.", ""];
}

/** Show the state without results; `clear` removes the filters. */
export function showNoResults(search, results, clear) {
  const [text, hint] = texts(search, results);
  const ways = [];
  if (Object.keys(filters()).length) {
    const button = element("button", { type: "button", className: "outline" }, "Clear filters");
    button.addEventListener("click", clear);
    ways.push(button);
  }
  const { near: _, radius_km: __, ...anywhere } = currentForm();
  if (search.near) ways.push(toSearch("Search everywhere", anywhere));
  if (search.q || search.saved) ways.push(toSearch("Back to the start page", {}));
  $("nothing").replaceChildren(element("p", {}, element("b", {}, text), " ", hint), ...ways);
  $("nothing").hidden = false;
}
