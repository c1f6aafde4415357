// The search: partials/search.html is what it looks like, search-index.js what it finds. The index
// weighs more than a page, so it is loaded and built when the field gets the focus.
{
  const base = document.currentScript.src;
  const dialog = document.querySelector(".md-search");
  const [form, field, meta, list] = ["form", "input", ".md-search-result__meta", "ol"].map((name) => dialog.querySelector(name));
  const toggle = document.querySelector("#__search"); // Material's style sheet opens the dialog by it
  const { none, one, other, moreOne, moreOther, absent, instead } = meta.dataset;
  const prompt = meta.textContent;
  const root = new URL("..", base);
  let ask;

  const load = (name) =>
    new Promise((onload, onerror) => {
      document.head.append(Object.assign(document.createElement("script"), { src: new URL(name, base), onload, onerror }));
    });

  // A browser starts no worker from file://, and reads no file there but scripts.
  const start = () => {
    if (location.protocol === "file:") {
      const ready = load("minisearch.js")
        .then(() => Promise.all([load("search-index.js"), load("../search/search_index.js")]))
        .then(() => searchIndex.build(__index.docs));
      return (query) => ready.then(() => show(query, searchIndex.find(query)));
    }
    const worker = new Worker(new URL("search-index.js", base));
    worker.addEventListener("message", ({ data: { query, found } }) => show(query, found));
    return (query) => worker.postMessage(query);
  };

  const counted = (count, single, many) => (count === 1 ? single : many).replace("#", count);
  const linked = ({ location, title, text }, words, level, best) => {
    const url = new URL(location, root);
    if (words) url.searchParams.set("h", words);
    return `<a class="md-search-result__link" href="${url.href.replace(/&/g, "&amp;")}"${best ? " data-best" : ""}>
      <article class="md-search-result__article md-typeset"><h${level}>${title}</h${level}>${text}</article></a>`;
  };
  const item = ({ top, best, more }, words) => {
    const folded = more.map((section) => linked(section, words, 2)).join("");
    return `<li class="md-search-result__item">${linked(top, words, 1, !best)}${best ? linked(best, words, 2, true) : ""}${
      folded && `<details class="md-search-result__more"><summary><div>${counted(more.length, moreOne, moreOther)}</div></summary>${folded}</details>`
    }</li>`;
  };

  const show = (query, { items, words, missing, nearest }) => {
    if (query !== field.value.trim()) return; // typed on
    list.innerHTML = items.map((found) => item(found, words)).join("");
    list.parentElement.parentElement.scrollTop = 0;
    const said = [
      missing.length && absent.replace("#", missing.join(", ")),
      nearest.length && instead.replace("#", nearest.join(" ")),
      items.length ? counted(items.length, one, other) : none,
    ];
    meta.textContent = said.filter(Boolean).join(" ");
  };

  const look = () => {
    const query = field.value.trim();
    if (query) return ask(query);
    list.replaceChildren();
    meta.textContent = prompt;
  };
  const open = (wanted) => toggle.checked !== wanted && toggle.click();
  const opened = () => {
    list.hidden = !toggle.checked;
    if (toggle.checked) field.focus();
    else dialog.contains(document.activeElement) && document.activeElement.blur();
  };

  toggle.addEventListener("change", opened);
  field.addEventListener("focus", () => {
    ask ??= start();
    open(true);
  });
  field.addEventListener("input", look);
  form.addEventListener("reset", () => setTimeout(() => {
    look();
    field.focus();
  }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    list.querySelector("[data-best]")?.click();
  });
  dialog.addEventListener("focusout", ({ relatedTarget }) => relatedTarget && !dialog.contains(relatedTarget) && open(false));
  list.addEventListener("click", ({ target }) => target.closest("a") && open(false));

  addEventListener("keydown", (event) => {
    const { key, target, ctrlKey, metaKey, altKey } = event;
    if (ctrlKey || metaKey || altKey) return;
    if (!toggle.checked) {
      if (!["/", "s", "f"].includes(key) || target.matches("input, textarea, select, [contenteditable]")) return;
      field.focus();
      field.select();
    } else if (key === "Escape") open(false);
    else if (key === "ArrowDown" || key === "ArrowUp") {
      const stops = [field, ...list.querySelectorAll(":scope > li > a, summary, details[open] a")];
      const next = stops.indexOf(document.activeElement) + (key === "ArrowDown" ? 1 : -1);
      stops.at(next % stops.length).focus();
    } else return;
    event.preventDefault();
  });
  opened();
}

// Marks the words that led here, and takes them out of the address, which may be copied.
{
  const url = new URL(location);
  const words = (url.searchParams.get("h") ?? "").split(" ").filter(Boolean);
  const escaped = (word) => word.replace(/[^\p{L}\p{N}_]/gu, "\\$&");
  const [signs, letters] = [true, false].map((isHan) => words.filter((word) => /^\p{sc=Han}/u.test(word) === isHan).map(escaped));
  const article = words.length && document.querySelector("article");
  if (article) {
    const sought = new RegExp([signs.length && `(?:${signs.join("|")})+`, letters.length && `(?:^|[^\\p{L}\\p{N}_])(${letters.join("|")})`].filter(Boolean).join("|"), "giu");
    const texts = document.createNodeIterator(article, NodeFilter.SHOW_TEXT);
    const found = [];
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
      if (text.parentElement.closest("svg, math, script, style, textarea, button")) continue;
      for (const { 0: all, 1: word = all, index } of text.data.matchAll(sought)) found.push([text, index + all.length - word.length, index + all.length]);
    }
    for (const [text, from, to] of found.reverse()) { // from the end, as a text is split
      const range = document.createRange();
      range.setStart(text, from);
      range.setEnd(text, to);
      range.surroundContents(document.createElement("mark"));
    }
    url.searchParams.delete("h");
    history.replaceState(history.state, "", url);
  }
}
