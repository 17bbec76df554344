// Live streams are open only in tabs that are shown: over HTTP/1.1 a browser opens six connections to a host, and each stream holds one.
// hx-sse pauses the stream of a tab that is hidden. It does not look at a tab that was opened in the background, nor at one that is hidden while it connects.
(() => {
  const waiting = new Set();
  document.addEventListener("htmx:sse:before:connection", (event) => {
    if (document.hidden) {
      event.preventDefault();
      waiting.add(event.target);
    }
  });
  document.addEventListener("htmx:sse:after:connection", (event) => {
    if (document.hidden) event.detail.connection.abortController.abort(); // it waits, as one that was paused
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    for (const each of waiting) htmx.trigger(each, "shown");
    waiting.clear();
  });
})();
