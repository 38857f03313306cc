// Keeps a page as it is now: asks for it again every few seconds and puts in what is another. Without this, a reload does the same.
"use strict";
(() => {
  const EVERY = 10000;
  const told = document.getElementById("live");
  let tag = null, failed = 0;

  const minute = 60, hour = 3600, day = 86400;
  const ago = (seconds) => {
    const size = Math.abs(seconds);
    if (size < minute) return seconds < 0 ? "within a minute" : "just now";
    const text = size < hour ? `${Math.floor(size / minute)}\u202fmin`
      : size < 2 * day ? `${Math.floor(size / hour)}\u202fh` : `${Math.floor(size / day)}\u202fd`;
    return seconds < 0 ? `in ${text}` : `${text} ago`;
  };
  // by the clock of the collector, not of whoever looks
  const begun = Date.now();
  const shown = Date.parse((document.getElementById("as-of")?.textContent || "").replace(" UTC", "Z").replace(" ", "T"));
  let then = Number.isNaN(shown) ? begun : shown, at = begun;
  const tick = () => {
    const now = then + (Date.now() - at);
    for (const span of document.querySelectorAll("[data-ago]")) {
      const text = ago((now - Date.parse(span.dataset.ago)) / 1000);
      if (span.textContent !== text) span.textContent = text;
    }
  };
  setInterval(tick, 15000);

  const put = (page) => {
    let fresh = 0;
    for (const old of document.querySelectorAll("[data-live]")) {
      const other = page.getElementById(old.id);
      if (!other || other.innerHTML === old.innerHTML) continue;
      // nothing is taken from under whoever reads it with the keyboard, or marks it
      const chosen = getSelection();
      if (old.contains(document.activeElement) || (chosen && !chosen.isCollapsed && old.contains(chosen.anchorNode))) continue;
      const said = (part) => {
        const copy = part.cloneNode(true);
        copy.querySelectorAll(".when").forEach((when) => when.remove());
        return copy.textContent;
      };
      const another = said(other) !== said(old);
      old.replaceChildren(...document.importNode(other, true).childNodes);
      if (another) {
        if (old.dataset.live === "say") fresh += 1;
        old.classList.remove("fresh");
        void old.offsetWidth;
        old.classList.add("fresh");
      }
    }
    const shown = page.getElementById("as-of")?.textContent;
    const time = document.getElementById("as-of");
    if (shown && time) {
      time.textContent = shown;
      then = Date.parse(shown.replace(" UTC", "Z").replace(" ", "T"));
      at = Date.now();
    }
    if (fresh && told) told.textContent = "What is open has changed.";
  };

  const ask = async () => {
    if (document.hidden || !document.querySelector("[data-live]")) return;
    try {
      const headers = tag ? { "If-None-Match": tag } : {};
      const answer = await fetch(location.href, { headers, cache: "no-store", credentials: "same-origin" });
      failed = 0;
      if (answer.redirected) { location.reload(); return; }
      if (answer.status !== 200) return;
      tag = answer.headers.get("ETag");
      put(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
      failed += 1;
      if (failed === 2 && told) told.textContent = "The collector does not answer; what is shown is as it was then.";
    }
  };
  setInterval(ask, EVERY);
  document.addEventListener("visibilitychange", ask);
})();
