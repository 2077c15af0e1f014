// The address bar and the browser's history. The URL has the whole search but the photo.
// history.state has the rest: {shown: number of hits in the grid, scroll: pixels, photo: key of the
// photo}. So links, reloads and the Back button work as users expect.

import { photoKey } from "./photo.js";

const TITLE = "Market";
let isSettled = true; // the next change is a new search, with its own entry in the history

export const currentParams = () => new URLSearchParams(location.search);

/** The search in the address bar as an object, in which a repeated parameter is a list. */
export function currentSearch() {
  const params = currentParams();
  const names = [...new Set(params.keys())];
  return Object.fromEntries(names.map((name) => {
    const values = params.getAll(name);
    return [name, values.length > 1 ? values : values[0]];
  }));
}

export function addressOf(params) {
  const pairs = Object.entries(params).flatMap(
    ([name, value]) => [value].flat().map((each) => [name, each]));
  const text = new URLSearchParams(pairs).toString();
  return text ? `?${text}` : location.pathname;
}

export const setTitle = (text) => (document.title = text ? `${text} · ${TITLE}` : TITLE);

/** Change the state of the current entry. */
export const updateState = (changes) =>
  history.replaceState({ ...history.state, ...changes }, "");
export const saveScroll = () => updateState({ scroll: scrollY });

/** Add an entry whose state differs from the current one by `changes`. */
export function pushEntry(changes, url) {
  saveScroll();
  history.pushState({ ...history.state, ...changes }, "", url);
}

/** The user has seen the results: the next change starts a new search. */
export const settle = () => (isSettled = true);

/** Is `search` the search `before`, with characters of one field added or removed at its end? */
function continuesTyping(before, search) {
  const names = Object.keys({ ...before, ...search });
  const textOf = (params, name) => String(params[name] ?? "");
  const changed = names.filter((name) => textOf(before, name) !== textOf(search, name));
  return changed.every((name) => {
    const [old, now] = [textOf(before, name), textOf(search, name)];
    return changed.length === 1 && (old.startsWith(now) || now.startsWith(old));
  });
}

/** Put a search into the address bar. Typing on replaces the entry of the last search. */
export function recordSearch(search, isTyping) {
  const before = currentSearch();
  const hasSamePhoto = photoKey() === (history.state?.photo ?? null);
  if (!hasSamePhoto || addressOf(search) !== addressOf(before)) {
    const url = addressOf(search);
    const state = { photo: photoKey(), shown: 0, scroll: 0 };
    if (isTyping && !isSettled && hasSamePhoto && continuesTyping(before, search)) {
      history.replaceState({ ...history.state, ...state }, "", url);
    } else pushEntry(state, url);
    scrollTo(0, 0);
  }
  isSettled = !isTyping;
}

/** Put the complete search into the address bar: a link may lack what the form adds. */
export const completeAddress = (search) =>
  history.replaceState(history.state, "", addressOf(search));
