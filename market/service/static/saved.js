// The listings that the user saved, as they are now.

import { fetchJson } from "./api.js";
import { forget, savedListings } from "./kept.js";

/** The saved listings as an answer to a search; those that no longer exist are forgotten. */
export async function requestSaved(signal) {
  const listings = await Promise.all(savedListings().map(async (kept) => {
    try {
      return await fetchJson(
        `api/products/${encodeURIComponent(kept.product_id)}`, {}, { signal });
    } catch (error) {
      if (error.status !== 404) throw error;
      forget(kept.product_id);
      return null;
    }
  }));
  const hits = listings.filter(Boolean);
  return { hits, total: hits.length };
}
