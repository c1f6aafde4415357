// The page that inspects a checkpoint: what is chosen or dropped, and the table of what it holds.
const area = document.querySelector(".inspector");
const output = result.querySelector("output");
const controls = result.querySelector("form");

const sized = (bytes) => {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), 4);
  return `${power ? (bytes / 1000 ** power).toFixed(1) : bytes}\u00a0${["B", "kB", "MB", "GB", "TB"][power]}`;
};

// ---- The state_dicts in it: facts() of snippets/describe.py ----

const isNested = (value) => value instanceof Map || Array.isArray(value);
const summary = (value) => {
  const kind = typeName(value);
  if (value instanceof Stored) return `array ${tupled(value.shape)}`;
  if (value instanceof Map) return value.has("param_groups") ? "an optimizer's state" : `dict of ${value.size}`;
  if (Array.isArray(value)) return `${kind} of ${value.length}`;
  if (kind === "str") return `str ${repr([...value].slice(0, 40).join(""))}`;
  if (kind === "StandIn" || kind === "tensor") return repr(value);
  if (kind === "dtype") return `dtype ${value.name}`;
  return kind === "bool" || kind === "float" || (kind === "int" && value < 1e18 && value > -1e18) ? `${kind} ${repr(value)}` : kind;
};

// A quantised tensor of PyTorch, also where its bias is beside, as a tensor; any other value as it is.
const seen = (value) => {
  const [tensor, bias] = value instanceof Tuple && value.length === 2 ? value : [value];
  const [storage, offset, shape, stride, quantizer] = (tensor?.name === "torch._utils._rebuild_qtensor" && tensor.args) || [];
  if (!(storage instanceof Storage && shape instanceof Tuple && quantizer instanceof Tuple)) return value;
  const { dtype, numbers } = storage;
  return Object.assign(new Stored(shape, `q${dtype.name}`, numbers * dtype.size), { of: dtype.name, bias: value === tensor ? undefined : (bias?.shape ?? null) });
};
// What a small tensor says of others: the shape of a weight.
const withNumbers = async (state) => {
  for (const [name, value] of state) {
    if (!value?.blob || value.bytes > 4096 || !/(^|\.)weight(_shape|\.quant_state\.\w+)$/.test(name)) continue;
    const bytes = await bytesOf(value.blob, value.at, value.at + value.bytes);
    if (name.endsWith("_shape")) value.numbers = value.shape[0] === 2 ? [0, 1].map((i) => Number(numberAt(viewOf(bytes.subarray((i * bytes.length) / 2)), `i${bytes.length / 2}`))) : null;
    else value.told = JSON.parse(utf8(bytes));
  }
  return new Map([...state].map(([name, value]) => [name, seen(value)]));
};

const isStateDict = (mapping) => {
  const values = [...mapping.values()];
  const names = [...mapping].filter(([, value]) => seen(value) instanceof Stored).map(([name]) => name);
  const beside = values.some((value) => value instanceof Map && [...value.values()].some((inner) => inner instanceof Stored));
  return names.length > 0 && [...mapping.keys()].every((key) => typeof key === "string") && (!beside || names.some((name) => name.includes(".")));
};

const stateDicts = (state) => {
  const [found, others, seen, todo] = [[], [], new Set(), [["state", state]]];
  while (todo.length) {
    const [path, value] = todo.pop();
    let inner = value instanceof Map ? [...value] : [];
    if (Array.isArray(value)) inner = [...value.entries()].filter(([, one]) => isNested(one));
    if (seen.has(value) || !inner.length || (value instanceof Map && value.has("param_groups"))) others.push([path, value]);
    else {
      if (value instanceof Map && isStateDict(value)) {
        found.push([path, value]);
        inner = inner.filter(([, one]) => one instanceof Map);
      }
      for (const [key, one] of inner.reverse()) todo.push([`${path}[${repr(key)}]`, one]);
    }
    if (isNested(value)) seen.add(value);
  }
  return [found, others];
};

const facts = async (state, told) => {
  const [found, others] = stateDicts(state);
  const lightning = state instanceof Map ? state.get("hyper_parameters") : null;
  const config = told ?? Object.fromEntries([...(lightning instanceof Map ? lightning : [])].map(([key, value]) => [key, typeName(value) === "float" ? Number(value.text) : value]));
  const states = [];
  for (const [path, inner] of found) states.push({ path, ...described(await withNumbers(inner), summary, config) });
  return { states, besides: others.map(([path, value]) => ({ path, what: summary(value) })) };
};
// What config.json beside a file holds: config_beside().
const CONFIGS = ["config.json", "adapter_config.json"];
const configIn = async (folder) => {
  for (const name of CONFIGS) {
    const file = folder.get(name);
    try {
      const found = file?.size < 2 ** 22 && JSON.parse(await textOf(file));
      if (found && !Array.isArray(found)) return found;
    } catch {} // it is no JSON
  }
};

// ---- The table ----

const rowOf = (row) => {
  const head = make("th", "", make("code", "", ...breakable(escaped(row.name))));
  head.scope = "row";
  if (!row.shape) return make("tr", "", head, make("td"), make("td", "", row.what));
  const stored = `${grouped(count(row.shape))}\u00a0×\u00a0${row.dtype}, ${sized(row.bytes)}`;
  return make("tr", "", head, make("td", "", shapeOf(row), ...small(stored)), make("td", "", ...meaningOf(row)));
};

const SORTS = { bytes: (a, b) => (b.bytes ?? -1) - (a.bytes ?? -1), name: (a, b) => (a.name < b.name ? -1 : 1) };
let shown = { states: [], besides: [] };
let all = false;

const draw = () => {
  const [wanted, sort] = [controls.filter.value.toLowerCase(), SORTS[controls.sort.value]];
  const bodies = [];
  let [drawn, matching] = [0, 0];
  for (const state of shown.states) {
    const modules = byName(state.modules);
    const rows = state.tensors.filter(({ name, what, dtype = "" }) => [name, what, dtype].some((text) => text.toLowerCase().includes(wanted)));
    matching += rows.length;
    if (shown.states.length > 1 || state.path !== "state") bodies.push(make("tbody", "", heading("root", make("code", "", `state = ${state.path}`))));
    let [body, last] = [null, null];
    for (const row of sort ? rows.sort(sort) : rows) {
      if (!all && drawn === DRAWN) break;
      drawn++;
      if (!body || (!sort && row.module !== undefined && row.module !== last)) {
        last = row.module ?? last;
        body = make("tbody");
        if (!sort && modules.has(row.module)) body.append(headingOf(modules.get(row.module)));
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

const show = (name, found) => {
  shown = found;
  all = false;
  const { states, besides } = found;
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
  const weights = files.filter(({ name }) => !CONFIGS.includes(name));
  const [file] = weights.length ? weights : files;
  const several = isFolder || weights.length > 1;
  const name = several ? say("{files} files", { files: grouped(files.length) }) : file.name;
  output.textContent = say("Reading the header of {name} ...", { name });
  result.hidden = false;
  let found;
  try {
    if (several && !isFolder && ![...folder.keys()].some((one) => one.endsWith(".index.json"))) throw new Fault(say("several files, and none is an .index.json: choose one file, or the index, too"));
    found = await facts(await (several ? readAny(folder) : read(file, folder)), await configIn(folder));
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
