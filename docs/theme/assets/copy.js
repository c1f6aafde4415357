// The copy button takes data-copy where a block has it. A console block gives its prompt lines
// only, stripped of their prompts: what is copied runs, outputs and tracebacks stay behind.
for (const code of document.querySelectorAll(".language-pycon pre > code")) {
  let prompted = false;
  const lines = code.textContent.split("\n").filter((line) => {
    prompted = line.startsWith(">>>") || (prompted && /^\.\.\.( |$)/.test(line));
    return prompted;
  });
  code.setAttribute("data-copy", lines.map((line) => line.slice(4)).join("\n"));
}
