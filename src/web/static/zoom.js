// Drag on a chart zooms into that time: sets from and until in the URL. The tables below charts and the range picker do the same without a mouse.
(() => {
  let drag = null;
  const at = (svg, event) => {
    const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
    const { left, right } = svg.dataset;
    return Math.min(Math.max((event.clientX - box.left) * scale, +left), +right);
  };
  const instant = (svg, x) => {
    const { since, until, left, right } = svg.dataset;
    return new Date((+since + ((x - left) / (right - left)) * (until - since)) * 1000).toISOString().slice(0, 19) + "Z";
  };
  document.addEventListener("pointerdown", (event) => {
    const svg = event.button === 0 && event.pointerType !== "touch" && event.target.closest("svg[data-since]");
    if (!svg) return;
    const shade = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    drag = { svg, shade, begin: at(svg, event) };
    for (const [name, value] of Object.entries({ class: "zoom", y: 22, height: svg.viewBox.baseVal.height - 46, x: drag.begin, width: 0 })) shade.setAttribute(name, value);
    svg.append(shade);
    event.preventDefault();
  });
  document.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const x = at(drag.svg, event);
    drag.shade.setAttribute("x", Math.min(x, drag.begin));
    drag.shade.setAttribute("width", Math.abs(x - drag.begin));
  });
  document.addEventListener("pointerup", (event) => {
    if (!drag) return;
    const { svg, shade, begin } = drag, end = at(svg, event);
    drag = null;
    shade.remove();
    if (Math.abs(end - begin) < 6) return; // a click
    const url = new URL(location.href);
    for (const name of ["range", "period", "after"]) url.searchParams.delete(name);
    url.searchParams.set("from", instant(svg, Math.min(begin, end)));
    url.searchParams.set("until", instant(svg, Math.max(begin, end)));
    location.assign(url);
  });
  document.addEventListener("keydown", (event) => {
    if (!drag || event.key !== "Escape") return;
    drag.shade.remove();
    drag = null;
  });
})();
