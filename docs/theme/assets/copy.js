// What a copy button takes is told when it is pressed. A console block gives its prompt lines only,
// stripped of their prompts: what is copied runs, outputs and tracebacks stay behind. A block whose
// second part is folded is one file: its button takes both.
const entered = (text) => {
  const lines = [];
  let before = "";
  for (const line of text.split("\n")) {
    const starts = line.startsWith(">>>");
    const goesOn = before && /^\.\.\.( |$)/.test(line);
    if (starts && before.startsWith("...")) lines.push(""); // A REPL ends a block at an empty line.
    if (starts || goesOn) lines.push(line.slice(4));
    before = starts || goesOn ? line : "";
  }
  return lines.join("\n");
};
document.addEventListener("click", ({ target }) => {
  const block = target.closest(".md-code__button")?.closest(".highlight");
  if (!block) return;
  const [first, ...folded] = block.querySelectorAll("code");
  const text = [first, ...folded].map((code) => code.textContent).join("");
  first.dataset.copy = block.matches(".language-pycon") ? entered(text) : text;
}, true);

// A table, a long formula and code scroll in boxes that no key reaches by itself. Widths are asked
// when all is laid out: asked earlier, it would be laid out twice. Code that site.css lays out later
// says so then.
const reach = ({ target, skipped }) => {
  if (skipped) return;
  if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
  else target.removeAttribute("tabindex");
};
const wide = new ResizeObserver((boxes) => boxes.forEach(reach));
for (const box of document.querySelectorAll(".md-typeset__scrollwrap, .formula, pre > code")) wide.observe(box);
document.addEventListener("contentvisibilityautostatechange", reach, true);

// What a link leads to may stand in a folded part, which older browsers leave shut.
const unfold = () => {
  const target = document.querySelector(":target");
  const fold = target?.closest("details:not([open])");
  if (!fold) return;
  fold.open = true;
  target.scrollIntoView();
};
unfold();
addEventListener("hashchange", unfold);

// On a narrow window the pages are in a drawer, and what opens it is a label, which no key reaches.
{
  const drawer = document.querySelector("#__drawer");
  const label = document.querySelector(".md-header [for=__drawer]");
  const inside = document.querySelector(".md-sidebar--primary");
  const opener = Object.assign(document.createElement("button"), { type: "button", className: `${label.className} opener` });
  const told = () => opener.setAttribute("aria-expanded", drawer.checked);
  opener.setAttribute("aria-label", inside.querySelector("nav").getAttribute("aria-label"));
  opener.append(...label.children);
  inside.tabIndex = -1;
  opener.addEventListener("click", () => {
    drawer.click();
    inside.focus();
  });
  document.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || !drawer.checked) return;
    drawer.click();
    opener.focus();
  });
  drawer.addEventListener("change", told);
  told();
  label.replaceWith(opener);
}

// A section has the same id in both languages, and a model is in the calculator's address: the
// switch keeps what is behind the #, in a new tab, too.
for (const way of ["click", "auxclick", "contextmenu"]) {
  document.querySelector(".language-switch").addEventListener(way, ({ target }) => { target.hash = location.hash; });
}
