// Photos of listings, as large as they are shown, in a frame that keeps its size while they load.

import { apiKey, root, showPhoto } from "./api.js";
import { element, icon } from "./dom.js";

/** What stands in place of a photo. */
export const noPhoto = () =>
  element("span", { className: "picture none" }, icon("photo"), "No photo");

/** The sizes of a listing's first photo; a listing without sizes may still have a URL. */
export const coverOf = (listing) =>
  listing.photo_sizes?.[0] ?? (listing.photo ? { url: listing.photo } : null);

/** Let the browser choose between both sizes of a photo. With a key it loads the small one. */
function offerSizes(image, sizes, shownAt) {
  if (apiKey() || !sizes.url_large || sizes.url_large === sizes.url) return;
  image.sizes = shownAt;
  image.srcset =
    `${root}${sizes.url} ${sizes.width}w, ${root}${sizes.url_large} ${sizes.width_large}w`;
}

/** A photo, or a placeholder. `shownAt` is its width on the page, as in <img sizes>. */
export function picture(sizes, description, { isEager = false, shownAt = "240px" } = {}) {
  if (!sizes) return noPhoto();
  const image = element("img", {
    className: "picture", alt: description, decoding: "async",
    loading: isEager ? "eager" : "lazy", width: sizes.width, height: sizes.height,
  });
  image.addEventListener("error", () => image.replaceWith(noPhoto()));
  offerSizes(image, sizes, shownAt);
  showPhoto(image, sizes.url);
  return image;
}

/** A photo at its large size. */
export function largePicture(sizes, description) {
  const image = element("img", {
    className: "picture", alt: description, decoding: "async",
    width: sizes.width_large ?? sizes.width, height: sizes.height_large ?? sizes.height,
  });
  image.addEventListener("error", () => image.replaceWith(noPhoto()));
  showPhoto(image, sizes.url_large ?? sizes.url);
  return image;
}
