// Small helpers for the document.

export const $ = (id) => document.getElementById(id);

/**
 * An element with properties, attributes (data-*, aria-*, role) and children. Text children become
 * text, never HTML, whatever a listing says.
 */
export function element(tag, properties = {}, ...children) {
  const created = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value == null) continue;
    if (name.includes("-") || name === "role") created.setAttribute(name, value);
    else created[name] = value;
  }
  created.append(...children.flat().filter((child) => child != null));
  return created;
}

/** An icon of index.html, such as "photo". */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** Tell users of screen readers. */
export const announce = (text) => ($("status").textContent = text);

/** A function that runs `action` after `wait` ms without another call; `cancel` drops the call. */
export function debounce(wait, action) {
  let timer;
  const debounced = () => {
    clearTimeout(timer);
    timer = setTimeout(action, wait);
  };
  debounced.cancel = () => clearTimeout(timer);
  return debounced;
}

/** Does this click on a link ask the browser for a new tab or window? */
export const wantsNewTab = (event) =>
  event.ctrlKey || event.metaKey || event.shiftKey || event.button;
