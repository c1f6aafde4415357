// What the calculator and the inspector show of modules that are known by their tensors' names and shapes.
const result = document.querySelector(".calculated, .inspected");
const table = result.querySelector("table");
const pages = new Map([...document.querySelectorAll("article p a")].map((a) => [a.textContent, a.href]));
const DRAWN = 300; // rows, unless asked for all

const linked = (name) => {
  const title = make("code", "", name);
  return pages.has(name) ? Object.assign(make("a", "", title), { href: pages.get(name) }) : title;
};
const heading = (className, ...inside) => {
  const { length: colSpan } = table.tHead.rows[0].cells;
  return make("tr", className, Object.assign(make("th", "", make("div", "", ...inside)), { colSpan, scope: "rowgroup" }));
};
const small = (...inside) => [make("br"), make("small", "", ...inside)];
const alternatives = (parts) => parts.flatMap((part, i) => [...(i ? [` ${say("or")} `] : []), ...part]);

// ---- One module: its layer, its line of NumPy, what no tensor tells ----

// The lines for a module's likely layers, and the arguments that they need from elsewhere.
const linesOf = ([prefix, own, fits], rows) => {
  const stored = rows.find(({ name, module }) => module === prefix.slice(0, -1) && own.has(name.split(".").at(-1)))?.name;
  const start = stored?.slice(0, stored.lastIndexOf(".") + 1) ?? prefix;
  const names = new Set(rows.map(({ name }) => name));
  const untold = new Set();
  const lines = likely(fits).map(({ layer, values }) => {
    const type = classes.get(layer);
    if (!type?.use || ![...own.keys()].every((name) => names.has(start + name) || name === "num_batches_tracked")) return "";
    const inner = Object.values(values).filter((value) => value?.type).map((value) => classes.get(value.type));
    for (const key of [type, ...inner].flatMap(({ other = [] }) => other)) if (Object.hasOwn(type.options, key)) untold.add(key);
    return line({ ...moduleOf(layer, 0, { values }), printed: true }, start, rows);
  });
  return [[...new Set(lines)].filter(Boolean).slice(0, 2), [...untold]];
};

const layerOf = (text) => {
  const layer = text.replace(WITHOUT, "");
  return [layer === CONV1D ? layer : linked(`nn.${layer}`), ...(text === layer ? [] : [` ${say("without bias")}`])];
};

const headingOf = (module) => {
  const { name, layers, less_likely: rare, sizes, blocks, fused } = module;
  const [lines, untold] = linesOf(...telling.get(module));
  const told = [...(layers.length ? alternatives(layers.map(layerOf)) : [say("no layer of torch.nn")]), ...(name ? [" ", make("code", "", ...breakable(name))] : [])];
  for (const text of lines) told.push(make("br"), make("code", "", text));
  if (Object.keys(sizes).length) told.push(...small(Object.entries(sizes).map(([key, value]) => (value === true ? key : `${key} ${value}`)).join(", ")));
  for (const some of blocks) told.push(...small(say("rows from the top: {blocks}", { blocks: some.join(", ") })));
  if (fused) told.push(...small(say(fused.axis ? "3 * {each} columns are q, k and v, in blocks or head by head" : "3 * {each} rows are q, k and v, in blocks or head by head", fused)));
  if (rare.length) told.push(...small(say("less likely {layers}", { layers: together(rare) })));
  if (untold.length && lines.length) told.push(...small(say("no tensor tells {names}", { names: untold.join(", ") })));
  return heading("module", ...told);
};

// ---- One tensor ----

// A text with the axes in it in their colours.
const coloured = (text, layers) => {
  const trees = new Map(layers.map((tree) => [written(tree), tree]));
  const parts = [];
  let rest = text;
  for (const [axes, tree] of trees) {
    const at = rest.indexOf(axes);
    if (at < 0 || tree[0] !== "tuple") continue;
    parts.push(rest.slice(0, at), shaped(tree.slice(1).map((axis) => [written(axis), namesIn(axis)[0], ""])));
    rest = rest.slice(at + axes.length);
  }
  return [...parts, rest];
};
const meaningOf = (row) => {
  const { tell, trees = [] } = telling.get(row);
  return [...coloured(tell(say), trees), ...(row.row ? small(say("one row is: {row}", { row: say(row.row) })) : [])];
};
const shapeOf = (row) => shaped(labelled({ ...telling.get(row).axes, shape: row.shape }));
