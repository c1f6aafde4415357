// The page that inspects a checkpoint: what is chosen or dropped, and the table of what it holds.
const area = document.querySelector(".inspector");
const result = document.querySelector(".inspected");
const output = result.querySelector("output");
const table = result.querySelector("table");
const controls = result.querySelector("form");
const pages = new Map([...document.querySelectorAll("article p a")].map((a) => [a.textContent, a.href]));
const DRAWN = 300; // rows, unless asked for all

const sized = (bytes) => {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), 4);
  return `${power ? (bytes / 1000 ** power).toFixed(1) : bytes}\u00a0${["B", "kB", "MB", "GB", "TB"][power]}`;
};

// ---- One module: its layer, its line of NumPy, what the file does not tell ----

// The lines for a module's likely layers, and the arguments that they need from elsewhere.
const linesOf = ([prefix, own, fits], rows) => {
  const stored = rows.find(({ name, module }) => module === prefix.slice(0, -1) && own.has(name.split(".").at(-1)))?.name;
  const start = stored?.slice(0, stored.lastIndexOf(".") + 1) ?? prefix;
  const untold = new Set();
  const lines = likely(fits).map(({ layer, values }) => {
    const type = classes.get(layer);
    if (!type?.use || ![...own.keys()].every((name) => rows.some((row) => row.name === start + name) || name === "num_batches_tracked")) return "";
    const inner = Object.values(values).filter((value) => value?.type).map((value) => classes.get(value.type));
    for (const key of [type, ...inner].flatMap(({ other = [] }) => other)) if (Object.hasOwn(type.options, key)) untold.add(key);
    return line({ ...moduleOf(layer, 0, { values }), printed: true }, start, rows);
  });
  return [[...new Set(lines)].filter(Boolean).slice(0, 2), [...untold]];
};

const linked = (text) => {
  const layer = text.replace(WITHOUT, "");
  const title = make("code", "", `nn.${layer}`);
  const inside = pages.has(`nn.${layer}`) ? Object.assign(make("a", "", title), { href: pages.get(`nn.${layer}`) }) : layer === CONV1D ? layer : title;
  return text === layer ? [inside] : [inside, ` ${say("without bias")}`];
};

const told = (module) => {
  const { name, layers, less_likely: rare, sizes, blocks, fused } = module;
  const [lines, untold] = linesOf(telling.get(module), rowsOf.get(module));
  const parts = layers.flatMap((layer, i) => [...(i ? [` ${say("or")} `] : []), ...linked(layer)]);
  const found = [...(parts.length ? parts : [say("no layer of torch.nn")]), ...(name ? [" ", make("code", "", ...breakable(name))] : [])];
  const small = [];
  if (Object.keys(sizes).length) small.push(Object.entries(sizes).map(([key, value]) => (value === true ? key : `${key} ${value}`)).join(", "));
  for (const some of blocks) small.push(say("rows from the top: {blocks}", { blocks: some.join(", ") }));
  if (fused) small.push(say(fused.axis ? "3 * {each} columns are q, k and v, in blocks or head by head" : "3 * {each} rows are q, k and v, in blocks or head by head", fused));
  if (rare.length) small.push(say("less likely {layers}", { layers: joined(rare) }));
  if (untold.length && lines.length) small.push(say("not in the file: {names}", { names: untold.join(", ") }));
  for (const text of lines) found.push(make("br"), make("code", "", text));
  for (const text of small) found.push(make("br"), make("small", "", text));
  return found;
};

// ---- The table ----

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

const rowsOf = new WeakMap();
const rowOf = (row) => {
  const { tell, axes, trees = [] } = telling.get(row) ?? {};
  const head = make("th", "", make("code", "", ...breakable(escaped(row.name))));
  head.scope = "row";
  if (!row.shape) return make("tr", "", head, make("td"), make("td", "", row.what));
  const shape = axes ? shaped(labelled({ ...axes, shape: row.shape })) : make("code", "shape", tupled(row.shape));
  const said = make("td", "", ...coloured(tell(say), trees));
  if (row.row) said.append(make("br"), make("small", "", say("one row is: {row}", { row: say(row.row) })));
  const stored = `${grouped(count(row.shape))}\u00a0×\u00a0${row.dtype}, ${sized(row.bytes)}`;
  return make("tr", "", head, make("td", "", shape, make("br"), make("small", "", stored)), said);
};
const heading = (className, inside) => make("tr", className, Object.assign(make("th", "", make("div", "", ...inside)), { colSpan: 3, scope: "rowgroup" }));

const SORTS = { bytes: (a, b) => (b.bytes ?? -1) - (a.bytes ?? -1), name: (a, b) => (a.name < b.name ? -1 : 1) };
let shown = { states: [], besides: [] };
let all = false;

const draw = () => {
  const [wanted, sort] = [controls.filter.value.toLowerCase(), SORTS[controls.sort.value]];
  const bodies = [];
  let [drawn, matching] = [0, 0];
  for (const state of shown.states) {
    const modules = new Map(state.modules.map((module) => [module.name, module]));
    const rows = state.tensors.filter(({ name, what, dtype = "" }) => [name, what, dtype].some((text) => text.toLowerCase().includes(wanted)));
    matching += rows.length;
    if (shown.states.length > 1 || state.path !== "state") bodies.push(make("tbody", "", heading("root", [make("code", "", `state = ${state.path}`)])));
    let [body, last] = [null, null];
    for (const row of sort ? rows.sort(sort) : rows) {
      if (!all && drawn === DRAWN) break;
      drawn++;
      if (!body || (!sort && row.module !== undefined && row.module !== last)) {
        last = row.module ?? last;
        body = make("tbody");
        if (!sort && modules.has(row.module)) body.append(heading("module", told(modules.get(row.module))));
        bodies.push(body);
      }
      body.append(rowOf(row));
    }
  }
  for (const body of [...table.tBodies]) body.remove();
  table.append(...bodies);
  asCards(table);
  table.hidden = !drawn;
  const more = result.querySelector(".more");
  more.hidden = drawn === matching;
  more.textContent = say("Show all {rows} rows", { rows: grouped(matching) });
};

const CURES = { "": "{names} begins with {hold}: {cure} takes it off", of: "{names} hold {hold}, of {of}: {cure} takes it out" };
const notesOf = ({ prefixes: found, computed, tied }) => [
  ...found.map((one) => say(CURES[one.of && "of"], { ...one, names: say(one.names), hold: JSON.stringify(one.hold) })),
  ...[...new Set(computed.map(({ kind }) => kind))].map((kind) => say("{names}: {kind}, the weight is {how}", { kind, how: say(rules.how[kind]), names: firsts(computed.filter((one) => one.kind === kind).map(({ name }) => name)) })),
  ...tied.slice(0, 9).map((names) => say("{names} are one array: tied", { names: firsts(names) })),
  ...(tied.length > 9 ? [say("and {more} more", { more: tied.length - 9 })] : []),
];
const firsts = (names) => names.slice(0, 3).map(escaped).join(", ") + (names.length > 3 ? ` ${say("and {more} more", { more: names.length - 3 })}` : "");

const show = (name, found) => {
  shown = found;
  all = false;
  const { states, besides } = found;
  for (const state of states) for (const module of state.modules) rowsOf.set(module, state.tensors);
  const tensors = states.flatMap((state) => state.tensors.filter(({ shape }) => shape));
  const sum = (key) => states.reduce((total, state) => total + state[key], 0);
  const total = say("{numbers} numbers in {tensors} tensors, {bytes}.", { numbers: grouped(sum("numbers")), tensors: grouped(tensors.length), bytes: sized(sum("bytes")) });
  output.textContent = `${name}: ${states.length ? total : say("There is no state_dict here: no names with arrays.")}`;
  const others = besides.slice(0, 12).map(({ path, what }) => make("li", "", make("code", "", escaped(path)), ` ${what}`));
  if (besides.length > 12) others.push(make("li", "", say("and {more} more", { more: besides.length - 12 })));
  result.querySelector("ul").replaceChildren(...states.flatMap(notesOf).map((note) => make("li", "", note)), ...others);
  controls.hidden = !states.length;
  controls.reset();
  draw();
};

// ---- Saving ----

const COLUMNS = ["name", "shape", "dtype", "bytes", "what", "row", "blocks"];
const cells = () => shown.states.flatMap(({ tensors }) => tensors.map((row) => COLUMNS.map((key) => (key === "shape" && row.shape ? tupled(row.shape) : String(row[key] ?? "")))));
const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const SAVED = {
  json: () => JSON.stringify(shown),
  csv: () => [COLUMNS, ...cells()].map((row) => `${row.map(quoted).join(",")}\r\n`).join(""),
  md: () => [COLUMNS, COLUMNS.map(() => "---"), ...cells()].map((row) => `| ${row.map((text) => escaped(text).replaceAll("|", "\\|")).join(" | ")} |\n`).join(""),
};
for (const button of controls.querySelectorAll("button")) {
  button.addEventListener("click", () => {
    const href = URL.createObjectURL(new Blob([SAVED[button.value]()]));
    Object.assign(make("a"), { href, download: `checkpoint.${button.value}` }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
  });
}

// ---- Choosing and dropping ----

let latest = 0;
const inspect = async (files, isFolder) => {
  const mine = ++latest;
  const folder = new Map(files.map((file) => [file.name, file]));
  const several = isFolder || files.length > 1;
  const name = several ? say("{files} files", { files: grouped(files.length) }) : files[0].name;
  output.textContent = say("Reading the header of {name} ...", { name });
  result.hidden = false;
  let found;
  try {
    if (several && !isFolder && ![...folder.keys()].some((one) => one.endsWith(".index.json"))) throw new Fault(say("several files, and none is an .index.json: choose one file, or the index, too"));
    found = facts(await (several ? readAny(folder) : read(files[0], folder)));
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (mine !== latest) return;
    show(name, { states: [], besides: [] });
    output.textContent = `${name}: ${error.message}`;
    return;
  }
  if (mine === latest) show(name, found);
};

const inputs = area.querySelectorAll("input");
for (const input of inputs) {
  input.addEventListener("change", () => {
    const files = [...input.files].filter(({ webkitRelativePath: path }) => path.split("/").length < 3);
    if (files.length) inspect(files, input.webkitdirectory);
    input.value = "";
  });
}
// The files of a dropped folder, without those of the folders in it.
const filesIn = async (entry) => {
  const [reader, files] = [entry.createReader(), []];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) return files;
    files.push(...(await Promise.all(some.filter(({ isFile }) => isFile).map((one) => new Promise((done, fail) => one.file(done, fail))))));
  }
};
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", async (event) => {
  event.preventDefault();
  const folder = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).find((entry) => entry?.isDirectory);
  const files = [...event.dataTransfer.files];
  if (folder) inspect(await filesIn(folder), true);
  else if (files.length) inspect(files, false);
});
for (const kind of ["dragenter", "dragover"]) addEventListener(kind, () => area.classList.add("over"));
for (const kind of ["dragleave", "drop"]) addEventListener(kind, () => area.classList.remove("over"));
controls.addEventListener("input", draw);
controls.addEventListener("submit", (event) => event.preventDefault());
result.querySelector(".more").addEventListener("click", () => {
  all = true;
  draw();
});
area.hidden = false;
