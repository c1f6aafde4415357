// The copy button takes data-copy where a block has it. A console block gives its prompt lines
// only, stripped of their prompts: what is copied runs, outputs and tracebacks stay behind.
for (const code of document.querySelectorAll(".language-pycon pre > code")) {
  const lines = [];
  let before = "";
  for (const line of code.textContent.split("\n")) {
    const starts = line.startsWith(">>>");
    const goesOn = before && /^\.\.\.( |$)/.test(line);
    if (starts && before.startsWith("...")) lines.push(""); // A REPL ends a block at an empty line.
    if (starts || goesOn) lines.push(line.slice(4));
    before = starts || goesOn ? line : "";
  }
  code.setAttribute("data-copy", lines.join("\n"));
}

// A block whose second part is folded is one file: its button takes both.
for (const part of document.querySelectorAll(".checks code")) {
  const first = part.closest(".highlight").querySelector("code");
  first.setAttribute("data-copy", first.textContent + part.textContent);
}

// Material puts each table into a box that scrolls on a phone, but that no key reaches; so it is with
// long formulas. Widths are asked when all is laid out: asked earlier, it would be laid out twice.
const wide = new ResizeObserver((boxes) => {
  for (const { target } of boxes) if (target.scrollWidth > target.clientWidth) target.setAttribute("tabindex", "0");
});
const BOXES = ".md-typeset__scrollwrap, .formula";
new MutationObserver((changes) => {
  for (const { addedNodes } of changes) for (const node of addedNodes) if (node.matches?.(BOXES)) wide.observe(node);
}).observe(document.body, { childList: true, subtree: true });
for (const box of document.querySelectorAll(BOXES)) wide.observe(box);

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

// Material asks a block at the start whether it scrolls; one that site.css lays out later says so now.
document.addEventListener("contentvisibilityautostatechange", ({ target }) => {
  if (target.scrollWidth > target.clientWidth) target.setAttribute("tabindex", "0");
}, true);
