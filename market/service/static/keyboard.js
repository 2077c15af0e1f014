// Keyboard shortcuts: "/" to search, arrow keys between cards and photos, Escape back to the search.

import { $ } from "./dom.js";
import { searchNow } from "./results.js";

const firstCard = () =>
  document.querySelector("#for-you:not([hidden]) a.open, #cards a.open");

/** The card that an arrow key leads to from the card of `link`, if any. */
function neighbour(link, key) {
  const links = [...link.closest("ul").querySelectorAll("a.open")];
  const position = links.indexOf(link);
  const topOf = (other) => other.closest("li").offsetTop;
  const columns = links.filter((other) => topOf(other) === topOf(links[0])).length;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[key];
  return links[position + step];
}

/** Move from the first or last row of a list to the next list, the search box or "Show more". */
function leaveList(link, direction) {
  const isRecommendation = link.closest("#for-you");
  if (direction < 0) {
    const recommendation = document.querySelector("#for-you:not([hidden]) a.open");
    (isRecommendation || !recommendation ? $("q") : recommendation).focus();
  } else if (isRecommendation) document.querySelector("#cards a.open")?.focus();
  else if (!$("more").hidden) $("more").focus();
}

function onArrow(link, key) {
  const next = neighbour(link, key);
  if (next) next.focus();
  else if (key === "ArrowUp") leaveList(link, -1);
  else if (key === "ArrowDown") leaveList(link, 1);
}

function onKey(event) {
  const focused = document.activeElement;
  const isTyping = focused?.matches("input, select, textarea");
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && !isTyping) {
    event.preventDefault();
    $("q").focus();
    $("q").select();
  } else if (focused === $("q") && event.key === "ArrowDown") {
    event.preventDefault();
    firstCard()?.focus();
  } else if (focused === $("q") && event.key === "Escape") {
    event.preventDefault();
    $("q").value = "";
    searchNow();
  } else if (focused?.matches("a.open") && event.key.startsWith("Arrow")) {
    event.preventDefault();
    onArrow(focused, event.key);
  } else if (focused?.closest("main") && event.key === "Escape") {
    $("q").focus();
  }
}

export const listenToKeys = () => addEventListener("keydown", onKey);
