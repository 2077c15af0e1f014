// The user: a random id of this browser, and the events that it has recorded.

import { postJson } from "./api.js";
import { storageOf } from "./storage.js";

const storage = storageOf("localStorage");

/** A random id of this browser. It belongs to no account, and stays the same at the next visit. */
export function userId() {
  let id = storage.get("user");
  if (!id) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    id = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    storage.set("user", id);
  }
  return id;
}

const allEvents = () => JSON.parse(storage.get("events") ?? "{}");

/** The events recorded for a product, as a Set. */
export const recordedEvents = (productId) => new Set(allEvents()[productId] ?? []);

export const hasHistory = () => storage.get("events") !== null;

/**
 * Send an event to the service, which affects the next results, with the `search_id` of the answer
 * from which it follows. Return the number of the event. Throws RequestError.
 */
export async function recordEvent(productId, event, searchId) {
  const stored = await postJson("api/events", {
    user_id: userId(), product_id: productId, event, ...(searchId && { search_id: searchId }),
  });
  const events = allEvents();
  events[productId] = [...new Set([...(events[productId] ?? []), event])];
  storage.set("events", JSON.stringify(events));
  return stored?.id;
}
