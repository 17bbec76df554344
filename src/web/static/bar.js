// Top bar: the command palette (Ctrl-K), live updates and their pause (r), the keys (?), and single keys that lead to pages.
(() => {
  const KEYS = [
    ["/", "Search"], ["Ctrl K", "Command palette"], ["r", "Pause or resume live updates"], ["?", "This list"],
    ["g o", "Overview"], ["g a", "Actors"], ["g j", "Jobs"], ["g e", "Errors"], ["g q", "Queues"], ["g w", "Workers"], ["g s", "Schedules"],
    ["j k", "Next and previous row of a list"], ["x", "Select the row"], ["Enter", "Open the row"],
  ];
  const PAGES = { o: "Overview", a: "Actors", j: "Jobs", e: "Errors", q: "Queues", w: "Workers", s: "Schedules" };
  const bar = document.querySelector(".bar");
  if (!bar) return;
  const made = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const links = () => [...document.querySelectorAll(".rail nav a")];
  const named = (link) => link.querySelector("span").textContent;

  // Live updates
  const live = made("button", { type: "button", className: "live" });
  const describe = () => {
    live.textContent = callboardUpdates.paused ? "Paused" : "Live";
    live.setAttribute("aria-pressed", String(callboardUpdates.paused));
    live.setAttribute("aria-label", callboardUpdates.paused ? "Paused: resume updates" : "Live: pause updates");
  };
  const turn = () => {
    callboardUpdates.pause(!callboardUpdates.paused);
    describe();
  };
  live.addEventListener("click", turn);
  describe();
  const zones = document.getElementById("display-zones");
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (here && ![...zones.options].some((each) => each.value === here)) zones.append(made("option", { value: here }));

  // Keys
  const keys = made("dialog", { id: "keys", className: "box" });
  keys.setAttribute("aria-labelledby", "keys-title");
  const rows = KEYS.map(([key, meaning]) => made("div", {}, made("dt", {}, ...key.split(" ").map((each) => made("kbd", { textContent: each }))), made("dd", { textContent: meaning })));
  keys.append(
    made("h2", { id: "keys-title", textContent: "Keys" }),
    made("dl", {}, ...rows),
    made("form", { method: "dialog" }, made("button", { textContent: "Close" })),
  );
  const help = made("button", { type: "button", className: "keys", textContent: "?" });
  help.setAttribute("aria-label", "? Keys");
  help.addEventListener("click", () => keys.showModal());

  // Palette: options of this page and of the menu, then what the server suggests
  const input = made("input", { type: "text", autocomplete: "off", spellcheck: false, placeholder: "A page, an action, an actor, a job id" });
  const list = made("div", { id: "palette-list" });
  const palette = made("dialog", { id: "palette", className: "box" }, input, list);
  for (const [name, value] of [["role", "combobox"], ["aria-label", "Command"], ["aria-controls", "palette-list"], ["aria-expanded", "true"], ["aria-autocomplete", "list"]]) input.setAttribute(name, value);
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Commands");
  let asked = new AbortController();
  let chosen = 0;

  const words = (element) => (element.getAttribute("aria-label") ?? element.labels?.[0]?.textContent ?? element.textContent).replace(/\s+/g, " ").trim();
  const option = (kind, label, act) => {
    const element = made("a", {}, made("span", { className: "kind", textContent: kind }), ` ${label}`);
    element.setAttribute("role", "option");
    element.tabIndex = -1;
    element.act = act;
    return element;
  };
  const local = (text) => {
    const of = (kind, selector, act) => {
      const seen = [...document.querySelectorAll(selector)].filter((each) => each.checkVisibility() && !each.closest(".unseen") && words(each));
      return seen.map((each) => [kind, words(each), () => (each.focus(), act?.(each))]);
    };
    const press = (each) => each.click();
    const found = [
      ...of("action", "main button:enabled, main a.button", press),
      ...links().map((each) => ["page", named(each), () => each.click()]),
      ...of("part", "main .tabs a, main summary", press),
      ...(text ? [...of("field", "main :is(input, select, textarea):not([type=hidden])"), ...of("link", "main a[href]:not(.button)", press)] : []),
    ];
    const wanted = text.toLowerCase().split(/\s+/);
    return found.filter(([kind, label]) => wanted.every((each) => `${kind} ${label}`.toLowerCase().includes(each))).slice(0, 12);
  };
  const choose = (index) => {
    const options = [...list.children];
    chosen = Math.max(0, Math.min(index, options.length - 1));
    options.forEach((each, at) => {
      each.id = `palette-${at}`;
      each.setAttribute("aria-selected", String(at === chosen));
    });
    if (options.length) input.setAttribute("aria-activedescendant", `palette-${chosen}`);
    else input.removeAttribute("aria-activedescendant");
    options[chosen]?.scrollIntoView({ block: "nearest" });
  };
  const suggest = async () => {
    const text = input.value.trim();
    asked.abort();
    asked = new AbortController();
    list.replaceChildren(...local(text).map(([kind, label, act]) => option(kind, label, act)));
    choose(0);
    if (!text) return;
    try {
      const answer = await fetch(`${document.getElementById("find").dataset.suggestions}?${new URLSearchParams({ q: text })}`, { signal: asked.signal });
      if (!answer.ok || answer.redirected) return;
      const suggested = new DOMParser().parseFromString(await answer.text(), "text/html").querySelectorAll("[role=option]");
      list.append(...suggested);
      choose(chosen);
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    }
  };
  const take = (element) => {
    if (!element) return;
    palette.close();
    if (element.act) element.act();
    else location.assign(element.href);
  };
  const openPalette = () => {
    if (palette.open) return;
    input.value = "";
    palette.showModal();
    suggest();
  };
  input.addEventListener("input", suggest);
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) choose(chosen + step);
    else if (event.key === "Enter") take(list.children[chosen]);
    else return;
    event.preventDefault();
  });
  list.addEventListener("click", (event) => {
    event.preventDefault();
    take(event.target.closest("[role=option]"));
  });

  const open = made("button", { type: "button", textContent: "Ctrl K" });
  open.setAttribute("aria-label", "Ctrl K: command palette");
  open.addEventListener("click", openPalette);
  document.querySelector(".find").parentElement.after(open);
  bar.append(live, help);
  document.body.append(palette, keys);

  let going = false;
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      openPalette();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog, [contenteditable]")) return;
    const page = going && links().find((each) => named(each) === PAGES[event.key]);
    going = event.key === "g";
    if (page) page.click();
    else if (event.key === "/") (document.querySelector("main input[type=search]") ?? document.getElementById("find")).focus();
    else if (event.key === "?") keys.showModal();
    else if (event.key === "r") turn();
    else return;
    event.preventDefault();
  });
})();
