// What a module stores: held() of snippets/storage.py, on the same registry, in the browser.
// A module is {type, values, children}: a class of the registry or "", its arguments, [[name, module]].
const { classes: registry, labels, hues, stacked, words } = JSON.parse(document.querySelector("#registry").textContent);
const classes = new Map(Object.entries(registry));
const own = Object.hasOwn;

// A word that is the name of the value before it, as in {tensors} tensors, is singular behind 1.
const say = (text, values = {}) =>
  (words[text] ?? text).replace(/\{(\w+)\}( \1\b)?/g, (_, key, word = "") => values[key] + (`${values[key]}` === "1" ? word.replace(/s$/, "") : word));

class Slip extends Error {
  constructor(line, text, values) {
    super(say("Line {line}: {said}", { line, said: say(text, values) }));
    this.said = [text, values];
  }
}

const distance = (a, b) => {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    let corner = row[0];
    row[0] = i;
    for (let j = 1; j <= b.length; j++) {
      const next = Math.min(row[j] + 1, row[j - 1] + 1, corner + (a[i - 1] !== b[j - 1]));
      [corner, row[j]] = [row[j], next];
    }
  }
  return row.at(-1);
};
const nearest = (word, all) => {
  const far = new Map([...all].map((one) => [one, distance(word.slice(0, 40), one)]));
  return [...far.keys()].sort((a, b) => far.get(a) - far.get(b))[0];
};

const literal = (value) => {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `(${value.map(literal).join(", ")}${value.length === 1 ? "," : ""})`;
  if (typeof value === "object") return value.text ?? value.type ?? "...";
  return typeof value === "string" ? JSON.stringify(value) : String(value);
};

const moduleOf = (type, line, more = {}) => ({ type, values: {}, children: [], line, ...more });

const stores = (type) => Boolean(classes.get(type)?.holds);

const DIVIDES = [
  ["groups", "in_channels"],
  ["groups", "out_channels"],
  ["num_groups", "num_channels"],
  ["num_heads", "embed_dim"],
  ["nhead", "d_model"],
];

// A name where a value is expected: print() writes padding=same.
class Name {
  constructor(text) {
    this.text = text;
  }
}

// The arguments of a class by name. A print leaves out some that it needs, a subclass has more.
const bound = (type, given, named, line, printed = false, more = false) => {
  const { order, arguments: standard = {}, other = [], reason = "" } = classes.get(type);
  if (reason.startsWith("lazy")) throw new Slip(line, "{type} has no shapes before its first call", { type });
  if (!order) return {};
  if (given.length > order.length + 2) throw new Slip(line, "{type} takes fewer arguments: {all}", { type, all: order.join(", ") });
  const values = {};
  for (const [key, value] of [...given.map((value, i) => [order[i] ?? "device", value]), ...named]) {
    if (key === "device" || key === "dtype" || (more && !order.includes(key))) continue;
    if (!order.includes(key)) {
      throw new Slip(line, "{type} has no argument {key}, the nearest is {near}", { type, key, near: nearest(key, order) });
    }
    if (value instanceof Name && !other.includes(key)) {
      throw new Slip(line, "{name} is a name. Write its value in its place, or above in a line of its own", { name: value.text });
    }
    values[key] = value instanceof Name ? value.text.split(".").at(-1) : value;
  }
  const missing = order.filter((key) => !own(standard, key) && !own(values, key) && !(printed && other.includes(key)));
  if (missing.length) throw new Slip(line, "{type} needs {missing}", { type, missing: missing.join(", ") });
  const all = { ...standard, ...values };
  for (const [part, whole] of DIVIDES) {
    if (all[whole] % all[part] > 0) throw new Slip(line, "PyTorch refuses this: {part} has to divide {whole}", { part, whole });
  }
  return values;
};

const treesOf = ({ when, shape, of, index = {}, arguments: given = {} }) => [when, shape, of, ...Object.values(index), ...Object.values(given)];
// What depends on an open argument, whose value is not known, is left out.
const held = (type, values, open = new Set()) => {
  const layer = classes.get(type);
  const known = { ...layer.arguments, ...values };
  const lost = new Set(open);
  const depends = (tree) => namesIn(tree).some((name) => lost.has(name));
  for (const [key, tree] of Object.entries(layer.derived ?? {})) {
    if (depends(tree)) lost.add(key);
    else known[key] = evaluate(tree, known);
  }
  const found = [];
  const walk = (entry, env) => {
    if (lost.size && treesOf(entry).some(depends)) return;
    if (entry.index) {
      let all = [env];
      for (const [key, tree] of Object.entries(entry.index)) {
        all = all.flatMap((one) => evaluate(tree, one).map((value) => ({ ...one, [key]: value })));
      }
      for (const one of all) for (const inner of entry.holds) walk(inner, one);
    } else if (evaluate(entry.when ?? true, env)) {
      const name = entry.name.replace(/\{(\w+)\}/g, (_, key) => env[key]);
      if (entry.shape) found.push({ ...entry, name, axes: entry.shape, shape: evaluate(entry.shape, env) });
      else {
        const given = entry.arguments ?? {};
        const passed = Object.entries(given).map(([key, tree]) => [key, evaluate(tree, env)]);
        const inner = classes.has(entry.of) ? held(entry.of, Object.fromEntries(passed)) : tensors(env[entry.of]);
        for (const tensor of inner) {
          found.push({ ...tensor, name: `${name}.${tensor.name}`, axes: inTermsOf(tensor.axes, given) });
        }
      }
      if (found.length > MOST) throw new RangeError();
    }
  };
  for (const entry of layer.holds ?? []) walk(entry, known);
  return found;
};

// What lies in a module beside its children. Of what prints its parts, the parts tell.
const ownTensors = (node) => {
  if (node.shape) return [{ name: "", shape: node.shape, axes: null, row: say("a parameter of your own"), ...node.kept }];
  if (!stores(node.type) || node.parts) return [];
  // self.weight = ... in a class made of this one
  const anew = new Set([...node.children.map(([key]) => key), ...(node.without ?? [])]);
  const found = held(node.type, node.values, node.open).filter(({ name }) => !anew.has(name));
  for (const { name, shape } of found) {
    if (!shape.every((size) => Number.isInteger(size) && size >= 0)) {
      throw new Slip(node.line, "{name} can't have the shape ({shape}): write whole numbers from 0 on", { name, shape: shape.map(literal).join(", ") });
    }
  }
  if (node.turned) Object.assign(found[0], { shape: found[0].shape.toReversed(), axes: ["tuple", ...found[0].axes.slice(1).reverse()], row: say("one input: a weight for every output") });
  return found.flatMap((row) => (node.renamed?.[row.name] ?? [row.name]).map((name) => ({ ...row, name })));
};

const tensors = (node) => {
  const found = ownTensors(node);
  for (const [key, child] of node.children) {
    for (const tensor of tensors(child)) found.push({ ...tensor, name: key + (tensor.name && ".") + tensor.name });
    if (found.length > MOST) throw new RangeError();
  }
  return found;
};

const inside = (node) => node.children.flatMap(([, child]) => [child, ...inside(child)]);

// The line of NumPy: what the registry says, with this module's names and arguments.
const line = (node, prefix, rows) => {
  const { use, options, order, arguments: standard, holds, silent = [] } = classes.get(node.type);
  const [before, inputs] = use;
  const given = Object.values(node.values).filter((value) => value?.children);
  const layer = given.find(({ type }) => type.endsWith("coderLayer"));
  if (given.some((module) => module !== layer && module.type !== "LayerNorm")) return "";
  const untold = node.printed ? silent : [];
  const norm = node.children.length ? inside(node).find(({ type }) => type === "LayerNorm") : undefined;
  const known = { ...standard, ...(layer && classes.get(layer.type).arguments), ...layer?.values, ...node.values };
  if (norm) known.layer_norm_eps = norm.values.eps;
  const isHeld = (key) => holds.some(({ name }) => name === key);
  const tensor = (key) => (rows.some(({ name }) => name === prefix + key) ? `state["${prefix}${key}"]` : "");
  const parts = [];
  let byName = false;
  for (const key of inputs) {
    let value = key;
    if (key === "weights") value = prefix ? `under(state, "${prefix.slice(0, -1)}")` : "state";
    else if (isHeld(key)) value = tensor(key) || (Array.isArray(options[key]) ? "None" : "");
    else if (order.includes(key)) value = own(known, key) ? literal(known[key]) : key;
    if (!value) byName = true;
    else parts.push(byName ? `${key}=${value}` : value);
  }
  for (const [key, usual] of Object.entries(options)) {
    if (inputs.includes(key)) continue;
    let value = known[key];
    if (typeof usual === "number" && Array.isArray(value) && value.every((one) => one === value[0])) value = value[0];
    if (isHeld(key)) {
      if (tensor(key)) parts.push(`${key}=${tensor(key)}`);
    } else if (own(known, key) && !untold.includes(key)) {
      if (value !== usual) parts.push(`${key}=${literal(value)}`);
    } else if (Array.isArray(usual) && untold.includes(key)) parts.push(`${key}=${key}`);
  }
  return `${before}${parts.join(", ")})`;
};

// A layer with a line of its own is one group, any other module the groups of what it holds.
const groups = (node, prefix = "", slips = []) => {
  const layer = classes.get(node.type);
  const found = [];
  try {
    const rows = (node.parts ? tensors : ownTensors)(node).map((row) => ({ ...row, name: prefix + row.name || "weight" }));
    if (node.shape) rows[0].name = prefix.slice(0, -1) || "weight";
    const alone = () => node.parts || !node.children.some(([, child]) => tensors(child).length);
    const used = layer?.use && !node.as && !node.open && alone() ? line(node, prefix, rows) : "";
    const untold = [...(node.printed && layer?.silent ? layer.silent : []), ...(node.untold ?? [])];
    if (rows.length) found.push({ type: node.type, as: node.as ?? "", prefix: prefix.slice(0, -1), line: used, untold, rows });
  } catch (slip) {
    if (!(slip instanceof Slip)) throw slip;
    slips.push(slip.message);
  }
  if (!node.parts) for (const [key, child] of node.children) found.push(...groups(child, `${prefix}${key}.`, slips));
  if (found.length > MOST) throw new RangeError();
  return found;
};
