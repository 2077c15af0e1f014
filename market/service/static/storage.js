// Texts that outlive the page.

/**
 * Storage of texts by name in `localStorage` or `sessionStorage`. Private windows may refuse to
 * store anything; the texts then last as long as the page.
 */
export function storageOf(area) {
  const memory = new Map();
  return {
    get(name) {
      try {
        return window[area].getItem(name) ?? memory.get(name) ?? null;
      } catch {
        return memory.get(name) ?? null;
      }
    },
    set(name, value) {
      memory.set(name, value);
      try {
        window[area].setItem(name, value);
      } catch {
        // kept in memory
      }
    },
  };
}
