// How long the user looks at a listing, in the time for which its page is visible.

import { postJson } from "./api.js";
import { userId } from "./user.js";

const MAX_SECONDS = 86_400; // as the API allows

/** Tell the service each time the user leaves the page how long the view `eventId` has lasted. */
export function measureDwell(eventId) {
  let visible = 0; // ms before the page was shown last
  let since = document.visibilityState === "visible" ? performance.now() : null;
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") {
      since = performance.now();
    } else if (since !== null) {
      visible += performance.now() - since;
      since = null;
      const seconds = Math.min(Math.round(visible / 100) / 10, MAX_SECONDS);
      const body = { user_id: userId(), dwell_seconds: seconds };
      postJson(`api/events/${eventId}/dwell`, body).catch(() => {}); // nothing depends on it
    }
  });
}
