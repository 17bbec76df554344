// Live streams run only in visible tabs: over HTTP/1.1 a browser opens at most six connections per host, and each stream holds one.
// hx-sse pauses the stream of a hidden tab, but misses tabs opened in the background or hidden while connecting.
(() => {
  const waiting = new Set();
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
})();
