// Names with shapes, as people print them, and what load_state_dict() and summaries say.
const KEY = String.raw`(?:\d+\.)*[A-Za-z_][\w.-]*`;
const TOLD = String.raw`(?:torch\.)?(?:b?float|u?int|bool|complex|Half|Float|[BFIU]\d|F\d_E|Q\d)\w*|[Tt]ensor|has|(?:shape|size)[:=]?|torch\.Size`;
const SIZES = String.raw`\(\s*\[[\d,\s]*\]\s*\)|[([][\d,\s]*[)\]]|\b\d+(?:\s*[x×]\s*\d+)+\b`;
// A name opens the line or an item of a list, and has its shape or its type behind it.
const LISTED = new RegExp(String.raw`(?:^|[[({,|])[ \t\d:#*│|-]*(?:(?:name|[Pp]aram\w*|tensor|key)[\s:=]+)?['"]?(?<!\d)(${KEY})['"]?(?=[\s:,|'"│])(?:[\s:,|'"│(]|\b(?:${TOLD})(?![\w.]))*?(${SIZES})`, "gm");
const PYTHON = /^\s*(?:class|def|import|from|return|for|if|with|@)\b|^\s*[\w.]+\s*=[^=]/m;

const sizesOf = (text) => (text.match(/\d+/g) ?? []).map(Number);
const listedIn = (line) => [...line.matchAll(LISTED)].map(([told, name, sizes]) => [name, sizesOf(sizes), told.match(/\b(?:u?int\d+|bool)\b/)?.[0] ?? ""]);

const worth = (text) => text.split("\n").filter((part) => /\w/.test(part) && !/^\s*[^[({]*:\s*$/.test(part)); // no titles
const isListing = (text) => {
  const lines = PYTHON.test(text) ? [] : worth(text);
  return lines.length > 0 && 2 * lines.filter((part) => listedIn(part).length).length >= lines.length;
};

// Tensors, each module's together.
const inGroups = (rows, root, modules = new Map()) => {
  const all = new Map();
  for (const row of rows) {
    const prefix = row.name.split(".").slice(0, -1).join(".");
    const key = row.module ?? prefix;
    if (!all.has(key)) all.set(key, { type: "", as: "", prefix, line: "", untold: [], rows: [], root, module: modules.get(key) });
    all.get(key).rows.push(row);
  }
  return [...all.values()];
};

// One state_dict() after the other: a name that comes again begins the next.
const listedStates = (entries) => {
  const states = [new Map()];
  for (const [name, shape, dtype] of entries) {
    if (states.at(-1).has(name)) states.push(new Map());
    states.at(-1).set(name, new Stored(shape, dtype, 0));
  }
  return states.map((state) => described(state));
};
const readListing = (text, slips) => {
  const lost = worth(text).filter((part) => !listedIn(part).length);
  if (lost.length) {
    const at = lost.map((part) => text.split("\n").indexOf(part) + 1);
    slips.push(say(at.length > 1 ? "Lines {line}: {said}" : "Line {line}: {said}", { line: listed(at), said: say("not understood: {text}", { text: lost[0].trim().slice(0, 60) }) }));
  }
  const entries = listedIn(text);
  const numbers = entries.reduce((sum, [, shape]) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const states = listedStates(entries);
  const found = states.flatMap(({ tensors, modules }) => inGroups(tensors, "", byName(modules)));
  return { found, notes: states.flatMap(notesOf), sum: say("{numbers} numbers in {tensors} tensors.", { numbers: numbers.toLocaleString("en"), tensors: entries.length }) };
};

// What load_state_dict() says, of PyTorch 0.3 to 2.x and of transformers: a name, the file's shape and the model's.
const SIZE = String.raw`(?:torch\.Size\()?\[([\d, ]*)\]\)?`;
const MISMATCHES = [
  [String.raw`size mismatch for ([\w.]+): copying a param \D*?${SIZE} from checkpoint, \D*?${SIZE}`, [1, 2]],
  [String.raw`parameter named "?([\w.]+)"?, whose dimensions in the model are ${SIZE} and whose dimensions in the checkpoint are ${SIZE}`, [2, 1]],
  [String.raw`([\w.]+): found shape ${SIZE} in the checkpoint and ${SIZE} in the model`, [1, 2]],
  [String.raw`([\w.]+)\s*\|[^|\n]*MISMATCH[^\n]*?ckpt: ?${SIZE} vs model: ?${SIZE}`, [1, 2]],
].map(([pattern, order]) => [new RegExp(pattern, "g"), order]);
const KEYS = {
  missing: /missing.keys?(?:\(s\))? in state_dict: ([^\n]*)|missing_keys=\[([^\]]*)\]/gi,
  unexpected: /unexpected key(?:\(s\))? in state_dict: ([^\n]*)|unexpected key ("[^"]+") in state_dict|unexpected_keys=\[([^\]]*)\]/gi,
};
const isError = (text) => MISMATCHES.some(([pattern]) => text.search(pattern) >= 0) || Object.values(KEYS).some((pattern) => text.search(pattern) >= 0);

// What most of the longer names have in front of the shorter ones.
const before = (longer, shorter) => {
  const all = new Set(shorter);
  const has = (prefix) => 2 * longer.filter((name) => name.startsWith(prefix) && all.has(name.slice(prefix.length))).length >= longer.length;
  const found = shorter.find((one) => longer[0]?.endsWith(`.${one}`));
  const prefix = found && longer[0].slice(0, -found.length);
  return prefix && has(prefix) ? prefix : "";
};
// The tensors that differ are not all that a module has: they do not tell whether there is a bias.
const differing = (entries, root) => {
  const groups = inGroups(entries.map(([name, shape]) => ({ name, shape, axes: null, row: "" })), root);
  for (const group of groups) {
    const own = new Map(group.rows.map(({ name, shape }) => [name.split(".").at(-1), shape]));
    const [[, , fits]] = decided([[group.prefix, own, fitting(own)]], "");
    Object.assign(group, { layers: [...new Set(likely(fits).map(({ layer }) => layer))], by: fits[0]?.clue });
  }
  return groups;
};
const readError = (text) => {
  const differ = MISMATCHES.flatMap(([pattern, order]) => [...text.matchAll(pattern)].map(([, name, ...sizes]) => [name, ...order.map((i) => sizesOf(sizes[i - 1]))]));
  const [missing, unexpected] = Object.values(KEYS).map((pattern) => [...text.matchAll(pattern)].flatMap(([, ...said]) => [...said.join("").matchAll(/["']([^"',\s]+)["']/g)].map(([, name]) => name)));
  const notes = [];
  for (const [name, file, model] of differ) {
    if (file.length === 2 && file.toReversed().join() === model.join()) notes.push(say("{name}: the file has it transposed", { name }));
  }
  const first = (names) => names.slice(0, 3).join(", ") + (names.length > 3 ? ", ..." : "");
  if (missing.length) notes.push(say("Missing in the file, {count}: {names}", { count: missing.length, names: first(missing) }));
  if (unexpected.length) notes.push(say("In the file alone, {count}: {names}", { count: unexpected.length, names: first(unexpected) }));
  const [more, less] = [before(unexpected, missing), before(missing, unexpected)];
  if (more) notes.push(say("The names are the same without {prefix} at the front of the file's", { prefix: more }));
  else if (less) notes.push(say("The names are the same without {prefix} at the front of the model's", { prefix: less }));
  const found = [say("the file"), say("the model")].flatMap((root, i) => differing(differ.map(([name, ...both]) => [name, both[i]]), root));
  return { found, notes, sum: differ.length ? say("Tensors that have another shape in the file than in the model: {count}.", { count: differ.length }) : say("Only names differ here.") };
};

// torchinfo, torchsummary and Lightning count; the values of a state_dict() are cut.
const SUMMARY = /^ *Layer \(type|^[ #|]*\| *Name *\| *Type|^Total params: |^\s*[├└]─/m;
const VALUES = /^Parameter containing:|[(:,] *(?:tensor\(|Parameter containing:)/m;
const readSummary = () => ({ sum: say("This summary counts numbers and leaves out shapes. Paste print(model) instead.") });
const readValues = () => ({ sum: say("These are the values of tensors. Paste their names and shapes: {k: tuple(v.shape) for k, v in model.state_dict().items()}") });
