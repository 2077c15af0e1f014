// What the user saved and saw, kept in this browser alone: [{product_id, …}], the latest first.

import { storageOf } from "./storage.js";

const MAX_SAVED = 100;
const MAX_RECENT = 24;
// Enough for a card. The listing itself may have changed or gone since.
const FIELDS = [
  "product_id", "name", "price", "price_flag", "location", "photo", "photo_sizes", "attributes",
  "available",
];
const storage = storageOf("localStorage");

function read(name) {
  try {
    const kept = JSON.parse(storage.get(name) ?? "[]");
    return Array.isArray(kept) ? kept.filter((listing) => listing?.product_id) : [];
  } catch {
    return []; // another program wrote it
  }
}

function put(name, listings, limit) {
  storage.set(name, JSON.stringify(listings.slice(0, limit)));
  dispatchEvent(new Event("kept"));
}

const brief = (listing) => {
  const fields = Object.fromEntries(FIELDS.map((name) => [name, listing[name]]));
  return { ...fields, photo_sizes: listing.photo_sizes?.slice(0, 1), attributes: {} };
};
const without = (listings, id) => listings.filter((listing) => listing.product_id !== id);

export const savedListings = () => read("saved");
export const recentListings = () => read("recent");
export const isSaved = (id) => savedListings().some((listing) => listing.product_id === id);

export const save = (listing) =>
  put("saved", [brief(listing), ...without(savedListings(), listing.product_id)], MAX_SAVED);
export const unsave = (id) => put("saved", without(savedListings(), id), MAX_SAVED);
export const rememberSeen = (listing) =>
  put("recent", [brief(listing), ...without(recentListings(), listing.product_id)], MAX_RECENT);
export const forgetSeen = () => put("recent", [], MAX_RECENT);

/** Drop a listing that no longer exists. */
export function forget(id) {
  put("saved", without(savedListings(), id), MAX_SAVED);
  put("recent", without(recentListings(), id), MAX_RECENT);
}
