// The photo to search by. The Back button needs earlier photos, so all of them are kept.

import { $ } from "./dom.js";

const MAX_SIDE = 1024; // pixels: the service uses fewer, and phones upload slowly
const photos = new Map(); // Blobs by key, since the page was loaded
let currentKey = null;

/** The key of the photo to search by, for the browser's history, or null. */
export const photoKey = () => currentKey;
export const currentPhoto = () => photos.get(currentKey) ?? null;
export const hasPhoto = (key) => photos.has(key);

/** Keep a file as a photo; return its key. */
export async function addPhoto(file) {
  const key = `${performance.timeOrigin}-${photos.size}`; // unique across reloads
  photos.set(key, await shrink(file));
  return key;
}

export function usePhoto(key) {
  currentKey = key;
  URL.revokeObjectURL($("chip-photo").src);
  $("chip-photo").src = URL.createObjectURL(photos.get(key));
  $("chip").hidden = false;
}

export function removePhoto() {
  currentKey = null;
  $("chip").hidden = true;
  $("file").value = "";
}

/** Return a smaller JPEG, or the file where the browser cannot read it: the service may. */
async function shrink(file) {
  try {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    canvas.height = Math.max(1, Math.round(bitmap.height * scale));
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff"; // the service also shows transparent pixels as white
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
    return blob ?? file;
  } catch {
    return file;
  }
}
