// Top bar: `/` focuses the search.
(() => {
  const typing = (target) => target.closest("input, textarea, select, [contenteditable]");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || event.key !== "/") return;
    event.preventDefault();
    (document.querySelector("main input[type=search]") ?? document.getElementById("find"))?.focus();
  });
})();
