// Ways to give a photo to search by: choose a file, paste, or drop.

import { RequestError } from "./api.js";
import { $ } from "./dom.js";
import { has } from "./format.js";
import { addPhoto, removePhoto, usePhoto } from "./photo.js";
import { searchNow, showError } from "./results.js";

async function searchByPhoto(file) {
  const key = await addPhoto(file);
  usePhoto(key);
  searchNow();
}

const imageIn = (transfer) =>
  [...(transfer?.files ?? [])].find((file) => file.type.startsWith("image/"));
const hasFiles = (event) => has("photo") && event.dataTransfer?.types.includes("Files");

export function listenToPhotos() {
  $("pick").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    if ($("file").files[0]) searchByPhoto($("file").files[0]);
  });
  $("chip-remove").addEventListener("click", () => {
    removePhoto();
    $("q").focus();
    searchNow();
  });
  addEventListener("paste", (event) => {
    const file = imageIn(event.clipboardData);
    if (!file || !has("photo")) return;
    event.preventDefault();
    searchByPhoto(file);
  });
  addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    $("drop").hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) $("drop").hidden = true;
  });
  addEventListener("drop", (event) => {
    $("drop").hidden = true;
    if (!hasFiles(event)) return;
    event.preventDefault();
    const file = imageIn(event.dataTransfer);
    if (file) searchByPhoto(file);
    else showError(new RequestError("This file is not a photo."), searchNow);
  });
}
