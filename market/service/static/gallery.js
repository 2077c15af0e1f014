// The photos of a listing: one large, the others as thumbnails, and a dialog to zoom in.

import { element } from "./dom.js";
import { largePicture, noPhoto, picture } from "./photos.js";

function zoomDialog() {
  const dialog = element("dialog", { className: "zoomed", "aria-label": "Photo" });
  const close = element("button", { type: "button", className: "outline" }, "Close");
  const stage = element("div", { className: "stage", tabIndex: 0 });
  dialog.append(stage, close);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  stage.addEventListener("click", () => stage.classList.toggle("actual"));
  return { dialog, stage };
}

/** The gallery of photos with their sizes; `name` describes them. */
export function gallery(photos, name) {
  if (!photos.length) {
    return element("div", { className: "gallery" }, element("div", { className: "shown" }, noPhoto()));
  }
  const { dialog, stage } = zoomDialog();
  const described = (index) =>
    (index ? `Photo ${index + 1} of ${name}` : `Photo of ${name}`);
  const zoom = element("button", { type: "button", className: "zoom" });
  const thumbnails = photos.map((sizes, index) => {
    const button = element("button", {
      type: "button", "aria-label": `Photo ${index + 1} of ${photos.length}`,
    }, picture(sizes, "", { isEager: true, shownAt: "64px" }));
    button.addEventListener("click", () => select(index));
    return button;
  });
  let selected = 0;
  function select(index) {
    selected = (index + photos.length) % photos.length;
    zoom.replaceChildren(largePicture(photos[selected], described(selected)));
    zoom.setAttribute("aria-label", `Zoom in: ${described(selected)}`);
    thumbnails.forEach((button, other) =>
      button.setAttribute("aria-pressed", String(other === selected)));
    stage.replaceChildren(largePicture(photos[selected], described(selected)));
    stage.classList.remove("actual");
  }
  zoom.addEventListener("click", () => dialog.showModal());
  const box = element("div", { className: "gallery" },
    element("div", { className: "shown" }, zoom),
    photos.length > 1 ? element(
      "div", { className: "thumbs", role: "group", "aria-label": "Photos" }, thumbnails) : null,
    dialog);
  box.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || photos.length < 2) return;
    event.preventDefault();
    select(selected + step);
    if (event.target.closest(".thumbs")) thumbnails[selected].focus();
  });
  select(0);
  return box;
}
