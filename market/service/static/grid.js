// Rows of cards that end evenly: while there are more results, an incomplete last row waits.

import { $, debounce } from "./dom.js";

const RESIZE_PAUSE = 120; // ms

const columns = (grid) => getComputedStyle(grid).gridTemplateColumns.split(" ").length;

/** Hide the cards of an incomplete last row as long as "Show more" can complete it. */
export function endRowsEvenly() {
  const grid = $("cards");
  const cards = [...grid.children];
  const left = $("more").hidden ? 0 : cards.length % columns(grid);
  const complete = cards.length - left;
  cards.forEach((card, index) => (card.hidden = complete > 0 && index >= complete));
}

export const listenToWidth = () =>
  addEventListener("resize", debounce(RESIZE_PAUSE, endRowsEvenly));
