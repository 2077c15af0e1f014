// Requests to the API.

import { storageOf } from "./storage.js";

/** The root of the service, relative to this page. */
export const root = document.documentElement.dataset.root ?? "";

/** A request that failed; the message is for the user. `status` is that of the answer, if any. */
export class RequestError extends Error {
  constructor(message, status = null) {
    super(message);
    this.status = status;
  }
}

/** The service needs an API key, or another one. */
export class KeyError extends RequestError {}

// The API key lasts as long as the tab, so no other site and no later visitor finds it.
const session = storageOf("sessionStorage");
export const apiKey = () => session.get("key");
export const setApiKey = (key) => session.set("key", key);

/** Fetch with the API key, if there is one. Throws RequestError, or KeyError for a 401. */
async function request(url, options = {}) {
  const headers = { ...options.headers, ...(apiKey() && { "X-API-Key": apiKey() }) };
  let response;
  try {
    response = await fetch(url, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new RequestError("Cannot reach the service: check your connection.");
  }
  if (response.status === 401) throw new KeyError("This service needs an API key.");
  return response;
}

/**
 * Return the JSON of an endpoint, without the empty `params`; a list is a repeated parameter. Throws
 * RequestError.
 */
export async function fetchJson(path, params = {}, options = {}) {
  const url = new URL(root + path, document.baseURI);
  for (const [name, value] of Object.entries(params)) {
    for (const each of [value].flat()) {
      if (each !== "" && each != null) url.searchParams.append(name, each);
    }
  }
  const response = await request(url, options);
  const body = await response.json().catch(() => null);
  if (!response.ok) {
    const message = body?.error ?? `The service answered ${response.status}.`;
    throw new RequestError(message, response.status);
  }
  return body;
}

/** The results of a search, each hit with the `search_id` of the answer. */
export async function fetchResults(path, params, options) {
  const results = await fetchJson(path, params, options);
  for (const hit of [...results.hits, ...(results.related ?? [])]) {
    hit.search_id = results.search_id;
  }
  return results;
}

/** Send JSON, even while the page closes, and return the JSON of the answer. */
export const postJson = (path, body) => fetchJson(path, {}, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
  keepalive: true,
});

/** Show the photo at `path` in an <img>. An <img> cannot send a key, so with a key it is fetched. */
export async function showPhoto(image, path) {
  if (!apiKey()) {
    image.src = root + path;
    return;
  }
  try {
    const response = await request(root + path);
    if (!response.ok) throw new RequestError();
    image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
    image.src = URL.createObjectURL(await response.blob());
  } catch {
    image.dispatchEvent(new Event("error"));
  }
}

/** Return a function that returns a new AbortSignal and aborts the one before. */
export function latestOnly() {
  let controller = new AbortController();
  return () => {
    controller.abort();
    controller = new AbortController();
    return controller.signal;
  };
}

/** Return the text for the user. Errors of the page itself go to the console. */
export function messageOf(error) {
  if (error instanceof RequestError) return error.message;
  console.error(error);
  return "Something went wrong: reload the page.";
}
