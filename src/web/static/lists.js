// Lists by keyboard: j and k move through the rows, x selects one, Enter opens it. Bulk forms count what is selected.
(() => {
  const focusable = (row) => row.querySelector("th[scope=row] a") ?? row.querySelector("a, input");
  const rows = () => [...document.querySelectorAll("main table.rows tbody tr")].filter(focusable);
  // getAttribute: a field named "id" hides the form's own property.
  const boxes = (form) => [...document.querySelectorAll(`input[type=checkbox][form="${form.getAttribute("id")}"]`)];
  const count = () => {
    for (const form of document.querySelectorAll("form.bulk")) {
      const chosen = boxes(form).filter((each) => each.checked).length;
      form.classList.toggle("chosen", chosen > 0);
      for (const each of form.querySelectorAll("[data-selected]")) each.textContent = chosen ? ` (${chosen})` : "";
    }
  };
  for (const form of document.querySelectorAll("form.bulk")) {
    const head = boxes(form)[0]?.closest("table").querySelector("thead th");
    if (!head) continue;
    const all = Object.assign(document.createElement("input"), { type: "checkbox" });
    all.setAttribute("aria-label", "Select all rows of this page");
    all.addEventListener("change", () => {
      for (const each of boxes(form)) each.checked = all.checked;
      count();
    });
    head.classList.add("choose");
    head.replaceChildren(all);
  }
  document.addEventListener("change", count);
  window.addEventListener("pageshow", count);
  count();

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("textarea, select, dialog, input:not([type=checkbox])")) return;
    const step = { j: 1, k: -1 }[event.key];
    const all = rows();
    const at = all.findIndex((each) => each.contains(document.activeElement));
    if (step && all.length) focusable(all[at < 0 ? 0 : Math.max(0, Math.min(at + step, all.length - 1))]).focus();
    else if (event.key === "x" && at >= 0) all[at].querySelector("input[type=checkbox]")?.click();
    else return;
    event.preventDefault();
  });
})();
