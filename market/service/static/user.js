// The user: a random id of this browser, and the events that it has recorded.

import { fetchJson } from "./api.js";
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

/** Send an event to the service; it affects the next results. Throws RequestError. */
export async function recordEvent(productId, event) {
  await fetchJson("api/events", {}, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ user_id: userId(), product_id: productId, event }),
    keepalive: true,
  });
  const events = allEvents();
  events[productId] = [...new Set([...(events[productId] ?? []), event])];
  storage.set("events", JSON.stringify(events));
}
