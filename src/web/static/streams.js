// Live updates run only in visible tabs, and not while the user has paused them. Over HTTP/1.1 a browser opens at most six connections per
// host, and each stream holds one. hx-sse pauses the stream of a hidden tab, but misses tabs opened in the background or hidden while connecting.
(() => {
  const KEY = "callboard-updates";
  const waiting = new Set();
  const shown = Object.getOwnPropertyDescriptor(document, "hidden") ?? Object.getOwnPropertyDescriptor(Document.prototype, "hidden");
  let paused = localStorage.getItem(KEY) === "paused";
  // A paused page says that it is hidden: hx-sse ends its stream, and resumes it later, as for a hidden tab.
  Object.defineProperty(document, "hidden", { configurable: true, get: () => paused || shown.get.call(document) });
  document.addEventListener("every", (event) => document.hidden && event.stopImmediatePropagation(), true);
  document.addEventListener("htmx:sse:before:connection", (event) => {
    if (document.hidden) {
      event.preventDefault();
      waiting.add(event.target);
    }
  });
  document.addEventListener("htmx:sse:after:connection", (event) => {
    if (document.hidden) event.detail.connection.abortController.abort(); // resumed like a paused one
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    for (const each of waiting) htmx.trigger(each, "shown");
    waiting.clear();
  });
  window.callboardUpdates = {
    get paused() {
      return paused;
    },
    pause(wanted) {
      paused = wanted;
      localStorage.setItem(KEY, paused ? "paused" : "live");
      document.dispatchEvent(new Event("visibilitychange"));
    },
  };
})();
