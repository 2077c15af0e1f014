// The service, as the page speaks to it.

/** An answer that says what is wrong, in words for the person. */
export class Refused extends Error {}

/** The service asks for a key, or for another one. */
export class Locked extends Refused {}

/** Fetch with the key, if there is one; throws Refused where nothing answers, Locked for a 401. */
async function get(url, options = {}) {
  const headers = { ...options.headers, ...(apiKey() && { "X-API-Key": apiKey() }) };
  let answer;
  try {
    answer = await fetch(url, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The service cannot be reached. Are you online?");
  }
  if (answer.status === 401) throw new Locked("This service asks for a key.");
  return answer;
}

/** Ask the service; `params` that are empty are left out. Returns the JSON, or throws Refused. */
export async function ask(path, params = {}, options = {}) {
  const url = new URL(path, document.baseURI);
  for (const [name, value] of Object.entries(params)) {
    if (value !== "" && value != null) url.searchParams.set(name, value);
  }
  const answer = await get(url, options);
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(body?.error ?? `The service answered ${answer.status}.`);
  return body;
}

/** Returns a function that gives a new signal and aborts the one it gave before. */
export function onlyLatest() {
  let controller = new AbortController();
  return () => {
    controller.abort();
    controller = new AbortController();
    return controller.signal;
  };
}

/** Show the photo at `url` in an <img>, which cannot send a key: with one it is fetched first. */
export async function showPhoto(image, url) {
  if (!apiKey()) {
    image.src = url;
    return;
  }
  try {
    const answer = await get(url);
    if (!answer.ok) throw new Refused();
    image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
    image.src = URL.createObjectURL(await answer.blob());
  } catch {
    image.dispatchEvent(new Event("error"));
  }
}

// Private windows may refuse to store: then what is remembered ends with the page.
const memory = new Map();
function recall(name) {
  try {
    return localStorage.getItem(name) ?? memory.get(name) ?? null;
  } catch {
    return memory.get(name) ?? null;
  }
}
function remember(name, value) {
  memory.set(name, value);
  try {
    localStorage.setItem(name, value);
  } catch {
    // said above
  }
}

// The key is this tab's: it ends with it, and no other site and no later visitor finds it.
let key = null;
export function apiKey() {
  try {
    return sessionStorage.getItem("key") ?? key;
  } catch {
    return key;
  }
}
export function useKey(given) {
  key = given;
  try {
    sessionStorage.setItem("key", given);
  } catch {
    // a private window: for as long as the page is open
  }
}

/** A random name for this browser: nobody's account, and the same at the next visit. */
export function userId() {
  let id = recall("user");
  if (!id) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    id = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    remember("user", id);
  }
  return id;
}

/** The events that this browser has told of a product, as a Set. */
export function told(productId) {
  return new Set(JSON.parse(recall("told") ?? "{}")[productId] ?? []);
}

export const hasHistory = () => recall("told") !== null;

/** Tell what the person did; the next answers follow it. */
export async function tell(productId, event) {
  await ask("api/events", {}, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ user_id: userId(), product_id: productId, event }),
    keepalive: true,
  });
  const all = JSON.parse(recall("told") ?? "{}");
  all[productId] = [...new Set([...(all[productId] ?? []), event])];
  remember("told", JSON.stringify(all));
}

const LARGEST = 1024; // pixels; what is searched by is smaller still, and telephones are slow to send

/** The photo as a smaller JPEG; as it is where this browser cannot read it: the service may. */
export async function shrink(file) {
  try {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, LARGEST / Math.max(bitmap.width, bitmap.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    canvas.height = Math.max(1, Math.round(bitmap.height * scale));
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff"; // as the service does with what is transparent
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
    return blob ?? file;
  } catch {
    return file;
  }
}
