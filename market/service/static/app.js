// The page: what is asked for, what answers, and which product is open. The URL says all of it but
// the photo; history.state has the rest of a visit: {shown: hits in the grid, scroll: pixels,
// photo: which of `photos`, depth: products open above the list, fromList: whether the list is below
// them}. So a link, a reload and the Back button do what people expect.

import {
  apiKey, ask, hasHistory, Locked, onlyLatest, Refused, shrink, tell, told, useKey, userId,
} from "./api.js";
import { card, count, element, product, skeletons } from "./view.js";

const $ = (id) => document.getElementById(id);
const PAGE = 24;
const SOON = 180; // ms without a keystroke before the service is asked
const SETTLED = 1500; // ms that results are looked at before the next keystroke is a new search
const MAX_RESTORED = 480; // hits that a reload or the Back button shows again at once
const MAX_REQUESTED = 100; // hits that the service gives at once
const fields = ["category", "price_min", "price_max", "near", "radius_km", "flagged"];
const form = $("filters").elements;
const title = document.title;

let photo = null; // a Blob to search by
const photos = new Map(); // all Blobs since the page was loaded, for the Back button
let photoKey = null; // of `photo` in it
let shown = 0; // hits in the grid
let settled = true; // the next change is a search of its own, which Back comes back from
let settling;
const newSearch = onlyLatest();
const newProduct = onlyLatest();
const newForYou = onlyLatest();

function later(wait, action) {
  let timer;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(action, wait);
  };
  soon.cancel = () => clearTimeout(timer);
  return soon;
}

const say = (text) => ($("status").textContent = text);

/** What a person is told of an error; those of the page itself go to the console. */
function inWords(error) {
  if (error instanceof Refused) return error.message;
  console.error(error);
  return "Something went wrong on this page.";
}

const wantsNewTab = (event) => event.ctrlKey || event.metaKey || event.shiftKey || event.button;
const firstCard = () => document.querySelector("#for-you:not([hidden]) a.open, #cards a.open");

// --- What is asked: the form and the URL ---------------------------------------------------------
function filters() {
  const given = {};
  for (const name of fields) {
    const field = form[name];
    const value = field.type === "checkbox" ? (field.checked ? "true" : "") : field.value.trim();
    if (value) given[name] = value;
  }
  if (!given.near) delete given.radius_km;
  return given;
}

function question() {
  const q = $("q").value.trim();
  return { ...(q && { q }), ...filters() };
}

const atHome = () => !photo && Object.keys(question()).length === 0;

function fillForm(params) {
  $("q").value = params.get("q") ?? "";
  for (const name of fields) {
    const field = form[name];
    const value = params.get(name) ?? "";
    if (field.type === "checkbox") field.checked = value === "true";
    else if (name === "category") chooseCategory(value);
    else if (name === "radius_km" && !params.has("near")) field.value = "25";
    else field.value = value;
  }
  afterFilters();
}

/** Choose it in the list, adding it where the list has not come yet, or does not have it. */
function chooseCategory(value) {
  form.category.value = value;
  if (form.category.value === value) return;
  form.category.append(element("option", { value }, value));
  form.category.value = value;
}

/** Is what stands in the filters askable? Says what is wrong where it is not. */
function afterFilters() {
  const near = form.near.value.trim();
  form.radius_km.disabled = !near;
  const number = Object.keys(filters()).filter((name) => name !== "radius_km").length;
  $("filter-count").textContent = number ? ` · ${number}` : "";
  $("clear").hidden = !number;
  const [low, high] = [form.price_min, form.price_max];
  let wrong = "";
  for (const field of [low, high]) {
    if (!field.checkValidity()) wrong = "A price is a number of pounds, 0 or more.";
  }
  if (!wrong && low.value && high.value && Number(low.value) > Number(high.value)) {
    wrong = "The lowest price is above the highest.";
  }
  for (const field of [low, high]) field.setAttribute("aria-invalid", String(Boolean(wrong)));
  $("wrong-price").textContent = wrong;
  $("wrong-price").hidden = !wrong;
  return !wrong;
}

const address = (params) => {
  const text = new URLSearchParams(params).toString();
  return text ? `?${text}` : location.pathname;
};

// --- The browser's history ------------------------------------------------------------------------
history.scrollRestoration = "manual"; // the cards to scroll to are not there yet when it would

const remember = (changes) => history.replaceState({ ...history.state, ...changes }, "");
const rememberScroll = () => remember({ scroll: scrollY });

/** A new entry of the history; `state` says what differs from this one's. */
function push(state, url) {
  rememberScroll();
  history.pushState({ ...history.state, ...state }, "", url);
}

/** Whether `asked` goes on with what is being typed: of one field, more or fewer characters. */
function continues(before, asked) {
  const changed = ["q", ...fields].filter((name) => (before[name] ?? "") !== (asked[name] ?? ""));
  return changed.every((name) => {
    const [old, now] = [before[name] ?? "", asked[name] ?? ""];
    return changed.length === 1 && (old.startsWith(now) || now.startsWith(old));
  });
}

/** Put the question into the address bar: in place of the last one while somebody types. */
function noteQuestion(asked, typing) {
  const { product: id, ...before } = Object.fromEntries(new URLSearchParams(location.search));
  const url = address(id ? { ...asked, product: id } : asked);
  const samePhoto = photoKey === (history.state?.photo ?? null);
  if (!samePhoto || address(asked) !== address(before)) {
    const state = { photo: photoKey, shown: 0, scroll: 0, depth: 0 };
    if (typing && !settled && samePhoto && continues(before, asked)) {
      history.replaceState({ ...history.state, ...state }, "", url);
    } else push(state, url);
    scrollTo(0, 0);
  }
  settled = !typing;
}

/** Give the address bar the whole question: a link may lack what the form adds. */
function completeAddress(asked) {
  const id = new URLSearchParams(location.search).get("product");
  history.replaceState(history.state, "", address(id ? { ...asked, product: id } : asked));
}

// --- Results --------------------------------------------------------------------------------------
function request(offset, limit, signal) {
  const params = { ...question(), limit, offset };
  // Where nothing is asked for, the row "For you" follows the person, and the rest is for all.
  if (!atHome()) params.user = userId();
  if (!photo) return ask("api/search", params, { signal });
  const body = new FormData();
  for (const [name, value] of Object.entries(params)) body.set(name, value);
  body.set("photo", photo, "photo.jpg");
  return ask("api/search/photo", {}, { method: "POST", body, signal });
}

/** The first `number` hits, as one answer. */
async function requestFirst(number, signal) {
  const results = await request(0, Math.min(number, MAX_REQUESTED), signal);
  while (results.hits.length < Math.min(number, results.total)) {
    const limit = Math.min(number - results.hits.length, MAX_REQUESTED);
    const { hits } = await request(results.hits.length, limit, signal);
    if (!hits.length) break;
    results.hits.push(...hits);
  }
  return results;
}

const search = () => find();
const searchWhileTyping = () => find({ typing: true });

/** Show again what this entry of the history showed, as far down. */
const restore = () => find({ restoring: true });

async function find({ typing = false, restoring = false } = {}) {
  if (!afterFilters()) return;
  const signal = newSearch();
  const asked = question();
  const before = restoring ? history.state ?? {} : {};
  clearTimeout(settling);
  if (restoring) {
    settled = true;
    completeAddress(asked);
  } else noteQuestion(asked, typing);
  const number = Math.min(Math.max(before.shown ?? 0, PAGE), MAX_RESTORED);
  $("results").setAttribute("aria-busy", "true");
  if (!shown) $("cards").replaceChildren(...skeletons(8));
  $("more").hidden = true;
  try {
    // The row above first, or together: what it shows is not shown again below.
    const [results] = await Promise.all([requestFirst(number, signal), showForYou()]);
    if (signal.aborted) return;
    head(asked, results);
    $("fault").hidden = true;
    // Whoever went on by keyboard before the answer came keeps their place.
    const place = [...$("cards").querySelectorAll("a.open")].indexOf(document.activeElement);
    $("cards").replaceChildren(...cardsOf(results));
    if (place >= 0) $("cards").querySelectorAll("a.open")[place]?.focus();
    shown = results.hits.length;
    remember({ shown });
    $("more").hidden = shown >= results.total;
    if (restoring) scrollTo(0, before.scroll ?? 0);
    settling = setTimeout(() => (settled = true), SETTLED);
    if (!shown) nothing(asked, results);
    else $("nothing").hidden = true;
  } catch (error) {
    if (signal.aborted) return;
    fault(error, restoring ? restore : search);
  }
  $("results").removeAttribute("aria-busy");
}
const searchSoon = later(SOON, searchWhileTyping);
const searchNow = () => {
  searchSoon.cancel();
  search();
};

function cardsOf(results) {
  const row = $("for-you").hidden ? [] : [...$("for-you-cards").querySelectorAll("a.open")];
  const above = new Set(row.map((link) => link.dataset.product));
  const others = results.hits.filter((hit) => !above.has(hit.product_id));
  return (others.length ? others : results.hits).map((hit) => card(hit));
}

async function more() {
  const signal = newSearch();
  settled = true;
  $("more").disabled = true;
  try {
    const results = await request(shown, PAGE, signal);
    if (signal.aborted) return;
    // What was opened meanwhile may have changed the order: nothing is shown twice.
    const links = [...$("cards").querySelectorAll("a.open")];
    const present = new Set(links.map((link) => link.dataset.product));
    const hits = results.hits.filter((hit) => !present.has(hit.product_id));
    const cards = cardsOf({ hits });
    $("cards").append(...cards);
    shown += results.hits.length;
    remember({ shown });
    $("more").hidden = shown >= results.total || !results.hits.length;
    say(`${count(cards.length)} more`);
    cards[0]?.querySelector("a").focus({ preventScroll: true });
  } catch (error) {
    if (!signal.aborted) fault(error, more);
  } finally {
    $("more").disabled = false;
  }
}

function head(asked, results) {
  const words = results.understood ?? asked.q;
  const unsaid = results.understood === "" && asked.q;
  let text = asked.category ? asked.category.split(" / ").at(-1) : "All listings";
  if (words) text = `Results for “${words}”`;
  if (photo) text = words ? `Like your photo, and “${words}”` : "Like your photo";
  const note = [count(results.total)];
  if (results.understood) note.push(`you typed “${asked.q}”`);
  if (unsaid) note.push(`“${asked.q}” names nothing to look for`);
  $("results-title").textContent = text;
  $("results-note").textContent = note.join(" · ");
  if (!$("product").open) document.title = words ? `${words} · ${title}` : title;
  say(`${text}: ${note.join(", ")}`);
}

function nothing(asked, results) {
  const filtered = Object.keys(filters()).length > 0;
  let text = "There is nothing here yet.";
  if (filtered) text = "Nothing passes these filters.";
  if (asked.q && results.understood !== "") text = `Nothing matches “${asked.q}”${filtered ? " within these filters" : ""}.`;
  let hint = filtered ? "Try a wider price range or distance." : "Try fewer or other words.";
  if (results.unplaced) {
    text = `No place called “${results.unplaced}” is known.`;
    hint = "Try the nearest larger town.";
  }
  const clear = element("button", { type: "button", className: "outline" }, "Clear the filters");
  clear.addEventListener("click", clearFilters);
  $("nothing").replaceChildren(
    element("p", {}, element("b", {}, text), " ", hint), ...(filtered ? [clear] : []));
  $("nothing").hidden = false;
}

function fault(error, again) {
  if (error instanceof Locked) askForKey(error.message);
  const text = inWords(error);
  const box = $("fault");
  box.firstElementChild.textContent = text[0].toUpperCase() + text.slice(1);
  box.lastElementChild.onclick = again;
  box.hidden = false;
  if (!shown) $("cards").replaceChildren();
  $("nothing").hidden = true;
}

/** Ask the person for the service's key, then start anew with it. */
function askForKey(text) {
  const dialog = $("locked");
  $("key-wrong").textContent = apiKey() ? "That is not the key." : "";
  $("locked-text").textContent = text;
  $("key").value = "";
  if (!dialog.open) dialog.showModal();
}
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey($("key").value.trim());
  $("locked").close();
  start();
});

// --- For you --------------------------------------------------------------------------------------
async function showForYou() {
  const signal = newForYou();
  if (!atHome()) {
    $("for-you").hidden = true;
    return;
  }
  try {
    const path = `api/recommend/${encodeURIComponent(userId())}`;
    const results = await ask(path, { limit: 12 }, { signal });
    if (signal.aborted) return;
    const known = hasHistory();
    $("for-you-title").textContent = known ? "For you" : "To start with";
    $("for-you-note").textContent = known
      ? "from what you looked at"
      : "a mix; open something, and this row follows";
    $("for-you-cards").replaceChildren(...results.hits.map((hit) => card(hit, { brief: true })));
    $("for-you").hidden = !results.hits.length;
  } catch {
    if (!signal.aborted) $("for-you").hidden = true; // the results below say what is wrong
  }
}

// --- A product ------------------------------------------------------------------------------------
function openProduct(id) {
  const { depth = 0, fromList = false } = history.state ?? {};
  const asked = Object.fromEntries(new URLSearchParams(location.search));
  const isFirst = !asked.product;
  settled = true;
  push(
    { depth: isFirst ? 1 : depth + 1, fromList: isFirst || fromList },
    address({ ...asked, product: id }));
  showProduct();
}

function closeProduct() {
  const { depth, fromList } = history.state ?? {};
  if (depth && fromList) {
    history.go(-depth);
    return;
  }
  // The link to the product was all there was.
  push({ depth: 0, fromList: false }, address(question()));
  showProduct();
}

async function showProduct() {
  const id = new URLSearchParams(location.search).get("product");
  const signal = newProduct();
  const dialog = $("product");
  if (!id) {
    if (dialog.open) {
      dialog.close(); // and the focus goes back to the card, unless the row has changed
      if (document.activeElement === document.body) {
        firstCard()?.focus();
      }
    }
    const q = $("q").value.trim();
    document.title = q ? `${q} · ${title}` : title;
    return;
  }
  $("similar").hidden = true;
  $("product-body").replaceChildren(
    element("p", { className: "wait", id: "product-name" }, "Loading…"));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  try {
    const listing = await ask(`api/products/${encodeURIComponent(id)}`, {}, { signal });
    if (signal.aborted) return;
    const page = product(listing, { actions: actions(id), onCategory });
    $("product-body").replaceChildren(page);
    document.title = `${listing.name} · ${title}`;
    $("product-name").focus();
    did(id, "view").catch(() => {}); // no trouble of the person's
    const path = `api/similar/${encodeURIComponent(id)}`;
    const similar = await ask(path, { limit: 12, user: userId() }, { signal });
    if (signal.aborted) return;
    $("similar-cards").replaceChildren(...similar.hits.map((hit) => card(hit, { brief: true })));
    $("similar-cards").scrollLeft = 0;
    $("similar").hidden = !similar.hits.length;
  } catch (error) {
    if (signal.aborted) return;
    $("product-body").replaceChildren(
      element("p", { className: "wait", id: "product-name", role: "alert" },
        `Sorry: ${inWords(error)}`));
  }
}

/** Tell what was done, and let the row for this person follow it. */
async function did(id, event) {
  await tell(id, event);
  showForYou();
}

// The event, its button, and what the button says once it is told: no more happens than that.
const ACTIONS = [
  ["save", "Save", "Saved"],
  ["message", "Message", "Message noted"],
  ["buy", "Buy", "Purchase noted"],
];

function actions(id) {
  const done = told(id);
  return ACTIONS.map(([event, offer, thanks]) => {
    const already = done.has(event);
    const button = element("button", {
      type: "button", className: event === "buy" ? "solid" : "outline",
      "aria-pressed": String(already),
    }, already ? thanks : offer);
    button.dataset.event = event;
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await did(id, event);
        button.textContent = thanks;
        button.setAttribute("aria-pressed", "true");
        say(thanks);
      } catch (error) {
        button.textContent = `${offer}: failed, try again`;
        say(error.message);
      }
      button.disabled = false;
      button.focus();
    });
    return button;
  });
}

function onCategory(event, path) {
  if (wantsNewTab(event)) return;
  event.preventDefault();
  fillForm(new URLSearchParams({ category: path }));
  dropPhoto();
  push({ depth: 0, photo: null, shown: 0, scroll: 0 }, address({ category: path }));
  showProduct();
  shown = 0;
  search();
  scrollTo(0, 0);
}

// --- The photo ------------------------------------------------------------------------------------
async function takePhoto(file) {
  const key = `${performance.timeOrigin}-${photos.size}`; // of no photo from before a reload
  photos.set(key, await shrink(file));
  if ($("product").open) await closed();
  usePhoto(key);
  searchNow();
}

/** Close the product, and wait until the address is the list's again. */
function closed() {
  const { depth, fromList } = history.state ?? {};
  const back = depth && fromList;
  const done = back && new Promise((end) => addEventListener("popstate", end, { once: true }));
  closeProduct();
  return done;
}

function usePhoto(key) {
  photoKey = key;
  photo = photos.get(key);
  URL.revokeObjectURL($("chip-photo").src);
  $("chip-photo").src = URL.createObjectURL(photo);
  $("chip").hidden = false;
}

function dropPhoto() {
  photo = photoKey = null;
  $("chip").hidden = true;
  $("file").value = "";
}

const imageIn = (transfer) =>
  [...(transfer?.files ?? [])].find((file) => file.type.startsWith("image/"));

$("pick").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => $("file").files[0] && takePhoto($("file").files[0]));
$("chip-remove").addEventListener("click", () => {
  dropPhoto();
  $("q").focus();
  searchNow();
});
addEventListener("paste", (event) => {
  const file = imageIn(event.clipboardData);
  if (!file) return;
  event.preventDefault();
  takePhoto(file);
});
addEventListener("dragover", (event) => {
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  $("drop").hidden = false;
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) $("drop").hidden = true;
});
addEventListener("drop", (event) => {
  $("drop").hidden = true;
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  const file = imageIn(event.dataTransfer);
  if (file) takePhoto(file);
  else fault(new Refused("That file is no photo."), search);
});

// --- Typing, filters, buttons ---------------------------------------------------------------------
$("q").addEventListener("input", searchSoon);
$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  searchNow();
});
for (const name of ["category", "radius_km", "flagged", "near"]) {
  form[name].addEventListener("change", searchNow);
}
for (const name of ["price_min", "price_max"]) form[name].addEventListener("input", searchSoon);
// A town is asked for once it is whole: chosen from the list, or left.
form.near.addEventListener("input", () => {
  afterFilters();
  const options = [...$("places").options];
  if (!form.near.value || options.some((option) => option.value === form.near.value)) searchSoon();
});
$("filters").addEventListener("submit", (event) => {
  event.preventDefault();
  searchNow();
});

function clearFilters() {
  const q = $("q").value.trim();
  fillForm(new URLSearchParams(q ? { q } : {}));
  searchNow();
}
$("clear").addEventListener("click", clearFilters);
$("toggle-filters").addEventListener("click", () => {
  const open = $("filters").classList.toggle("open");
  $("toggle-filters").setAttribute("aria-expanded", String(open));
});
$("more").addEventListener("click", more);
$("home").addEventListener("click", (event) => {
  if (wantsNewTab(event)) return;
  event.preventDefault();
  fillForm(new URLSearchParams());
  dropPhoto();
  searchNow();
  scrollTo(0, 0);
});

$("close").addEventListener("click", closeProduct);
$("product").addEventListener("cancel", (event) => {
  event.preventDefault(); // Escape: the URL has to change first
  closeProduct();
});
$("product").addEventListener("click", (event) => {
  if (event.target === $("product")) closeProduct(); // beside the sheet
});
addEventListener("click", (event) => {
  const link = event.target.closest("a.open");
  if (!link || wantsNewTab(event)) return;
  event.preventDefault();
  openProduct(link.dataset.product);
});
addEventListener("popstate", () => {
  const params = new URLSearchParams(location.search);
  const { product: _, ...there } = Object.fromEntries(params);
  const key = photos.has(history.state?.photo) ? history.state.photo : null;
  if (address(there) !== address(question()) || key !== photoKey) {
    searchSoon.cancel();
    fillForm(params);
    if (key) usePhoto(key);
    else dropPhoto();
    restore();
  }
  showProduct();
});
addEventListener("scroll", later(SOON, rememberScroll), { passive: true });
addEventListener("pagehide", rememberScroll);

// --- Keys -----------------------------------------------------------------------------------------
/** The card that an arrow key leads to from `link`, if any. */
function neighbour(link, key) {
  const links = [...link.closest("ul").querySelectorAll("a.open")];
  const position = links.indexOf(link);
  const top = (one) => one.closest("li").offsetTop;
  const columns = links.filter((one) => top(one) === top(links[0])).length;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[key];
  return links[position + step];
}

addEventListener("keydown", (event) => {
  const here = document.activeElement;
  const writes = here?.matches("input, select, textarea");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && !writes && !$("product").open) {
    event.preventDefault();
    $("q").focus();
    $("q").select();
  } else if (here === $("q") && event.key === "ArrowDown") {
    event.preventDefault();
    firstCard()?.focus();
  } else if (here === $("q") && event.key === "Escape") {
    event.preventDefault();
    $("q").value = "";
    searchNow();
  } else if (here?.matches("a.open") && event.key.startsWith("Arrow")) {
    event.preventDefault();
    const next = neighbour(here, event.key);
    if (next) next.focus();
    else if (event.key === "ArrowUp") beyond(here, -1);
    else if (event.key === "ArrowDown") beyond(here, 1);
  } else if (here?.closest("main") && event.key === "Escape") {
    $("q").focus();
  } else if (here?.closest(".thumbs") && /^Arrow(Left|Right)$/.test(event.key)) {
    event.preventDefault();
    const next = event.key === "ArrowRight" ? here.nextElementSibling : here.previousElementSibling;
    next?.focus();
    next?.click();
  }
});

/** From the first or last line of one list to the list before or after it, or to the search box. */
function beyond(link, direction) {
  if (link.closest("dialog")) return;
  const inRow = link.closest("#for-you");
  if (direction < 0) {
    const row = document.querySelector("#for-you:not([hidden]) a.open");
    (inRow || !row ? $("q") : row).focus();
  } else if (inRow) document.querySelector("#cards a.open")?.focus();
  else if (!$("more").hidden) $("more").focus();
}

// --- Start ----------------------------------------------------------------------------------------
async function fillLists() {
  const [categories, places] = await Promise.all([ask("api/categories"), ask("api/places")]);
  const chosen = form.category.value;
  const options = categories.map(({ path, count: number }) => {
    const levels = path.split(" / ");
    const text = `${"\u2003".repeat(levels.length - 1)}${levels.at(-1)} (${number})`;
    return element("option", { value: path }, text);
  });
  form.category.replaceChildren(form.category.options[0], ...options);
  chooseCategory(chosen);
  $("places").replaceChildren(...places.map((value) => element("option", { value })));
}

function start() {
  restore();
  showProduct();
  fillLists().catch(() => {}); // the search says what is wrong
}
remember({ photo: null }); // a reload forgets photos
fillForm(new URLSearchParams(location.search));
start();
