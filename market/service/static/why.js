// Why a listing is among the results: a small button on its card opens the reasons.

import { element, icon } from "./dom.js";

const MIN_SHARE = 0.03; // of the score: smaller reasons are left out

/** The positive reasons, the largest first: [{text, share}], whose shares add up to about 1. */
function positiveReasons(hit) {
  const positive = (hit.why ?? []).filter((reason) => reason.contribution > 0);
  const sum = positive.reduce((total, reason) => total + reason.contribution, 0);
  return positive
    .map((reason) => ({ text: reason.text, share: reason.contribution / sum }))
    .filter((reason) => reason.share >= MIN_SHARE);
}

/** The button with the reasons behind it, or null without any. */
export function explanation(hit) {
  const reasons = positiveReasons(hit);
  if (!reasons.length) return null;
  const bars = reasons.map(({ text, share }) => {
    const bar = element("span", { className: "share", "aria-hidden": "true" });
    bar.style.setProperty("--share", share);
    const percent = `${Math.round(100 * share)}%`;
    return element("li", {}, element("span", {}, text), element("span", {}, percent), bar);
  });
  return element(
    "details", { className: "why" },
    element("summary", { title: "Why this?" }, icon("why"),
      element("span", { className: "unseen" }, `Why this? ${hit.name ?? ""}`)),
    element("div", { className: "reasons" }, element("b", {}, "Why this?"), element("ul", {}, bars)),
  );
}

/** Close the reasons at a click elsewhere, and with Escape. */
export function listenToReasons() {
  addEventListener("click", (event) => {
    for (const details of document.querySelectorAll("details.why[open]")) {
      if (!details.contains(event.target)) details.open = false;
    }
  });
  addEventListener("keydown", (event) => {
    const details = event.target.closest?.("details.why[open]");
    if (event.key !== "Escape" || !details) return;
    event.stopImmediatePropagation();
    details.open = false;
    details.querySelector("summary").focus();
  });
}
