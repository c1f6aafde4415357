// What Python's operators, methods and functions give, of the values of values.js.
const unknown = (node, more) => new Unknown(node.text.length > 60 ? `${node.text.slice(0, 60)}...` : node.text, node.line, more);

// What is said of a line, by whoever reads it.
class Said extends Error {
  constructor(line, text, values) {
    super(text);
    Object.assign(this, { line, text, values });
  }
}

// ---- Operators ----

const ARITHMETIC = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "//": quotient,
  "%": modulo,
  "**": (a, b) => a ** b,
  "<<": (a, b) => a << b,
  ">>": (a, b) => a >> b,
  "&": (a, b) => a & b,
  "|": (a, b) => a | b,
};

// {items, open} of what can be looped over, or what is not known of it.
const itemsOf = (value, node) => {
  if (value instanceof List) return value;
  if (value instanceof Dict) return { items: keysOf(value, node), open: value.open };
  if (typeof value === "string") return { items: [...value], open: null };
  if (isModule(value) && CONTAINERS.test(value.type)) return { items: value.type.endsWith("Dict") ? [...value.attrs.keys()] : [...value.attrs.values()], open: value.open ?? null };
  if (value instanceof Tensor && Number.isInteger(value.shape[0])) return { items: Array.from({ length: value.shape[0] }, () => unknown(node)), open: null };
  return value instanceof Unknown ? value : unknown(node);
};

const truth = (value) => {
  if (value instanceof Unknown || value instanceof Tensor) return value;
  if (value instanceof List) return value.open && !value.items.length ? value.open : value.items.length > 0;
  if (value instanceof Dict) return value.map.size > 0;
  if (isModule(value) && CONTAINERS.test(value.type)) return value.attrs.size > 0;
  return Boolean(value);
};

const ids = new WeakMap();
let objects = 0;
const comparable = (value) => {
  if (value instanceof List) return JSON.stringify(value.items.map(comparable));
  if (value instanceof Torch) return value.type;
  if (typeof value === "boolean") return Number(value);
  if (value === null || typeof value !== "object") return typeof value === "function" ? `function ${value.name}` : value;
  if (!ids.has(value)) ids.set(value, `object ${(objects += 1)}`);
  return ids.get(value);
};
// A tuple or an object is a key by a text that stands for it, and comes back as nothing known.
const keysOf = (dict, node) => [...dict.map.keys()].map((key) => (/^(\[|object |function )/.test(key) ? unknown(node) : key));

const binary = (op, a, b, node) => {
  const tensor = a instanceof Tensor ? a : b instanceof Tensor ? b : null;
  if (tensor && /^[-+*/]|\*\*$/.test(op)) {
    const [left, right] = [a, b].map((one) => (one instanceof Tensor ? one.shape : []));
    return new Tensor(broadcast(left, right));
  }
  if (a instanceof Unknown) return a;
  if (b instanceof Unknown) return b;
  if (op === "is" || op === "==") return comparable(a) === comparable(b);
  if (op === "is not" || op === "!=") return comparable(a) !== comparable(b);
  if ((op === "in" || op === "not in") && b instanceof Dict) {
    const is = b.map.has(comparable(a));
    return is || !b.open ? is === (op === "in") : b.open;
  }
  if (op === "in" || op === "not in") {
    const all = typeof b === "string" ? null : itemsOf(b, node);
    if (all instanceof Unknown) return all;
    const is = all ? all.items.some((one) => comparable(one) === comparable(a)) : b.includes(a);
    if (!is && (all?.open || (all && unknownIn(all.items)))) return all.open ?? unknownIn(all.items);
    return is === (op === "in");
  }
  if (op === "+" && a instanceof List && b instanceof List) {
    const sum = new List(a.open ? a.items : [...a.items, ...b.items], a.tuple);
    sum.open = a.open ?? b.open;
    return sum;
  }
  if (op === "*" && (a instanceof List || b instanceof List)) {
    const [list, times] = a instanceof List ? [a, b] : [b, a];
    if (times * list.items.length > MOST) throw new RangeError();
    return new List(Array.from({ length: Math.max(times, 0) }, () => list.items).flat(), list.tuple);
  }
  if (op === "*" && typeof a === "string" && Number.isInteger(b)) return a.repeat(Math.min(b, 999));
  if (op === "|" && a instanceof Dict && b instanceof Dict) return new Dict(new Map([...a.map, ...b.map]));
  if (op === "+" && typeof a === "string" && typeof b === "string") return a + b;
  if (/^[<>]=?$/.test(op) && typeof a === typeof b) return { "<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b }[op];
  const [x, y] = [a, b].map((one) => (typeof one === "boolean" ? Number(one) : one));
  if (typeof x !== "number" || typeof y !== "number") return unknown(node);
  if (own(ARITHMETIC, op)) return ARITHMETIC[op](x, y);
  return unknown(node);
};

// ---- Methods ----

const change = (list, items) => (write(list, "items", items), null);
// What a method that is not here has done to a list or a dict.
const upset = (value, node) => {
  if (value instanceof List) write(value, "items", []);
  else for (const key of value.map.keys()) write(value.map, key, undefined);
  write(value, "open", unknown(node));
};
const LIST_METHODS = {
  // Behind what is not known, nobody knows the place.
  append: (list, [one]) => (list.open || append(list, one), null),
  extend: (list, [more], node) => {
    const all = itemsOf(more, node);
    if (list.open) return null;
    if (all instanceof Unknown || all.open) write(list, "open", all.open ?? all);
    return change(list, [...list.items, ...(all.items ?? [])]);
  },
  insert: (list, [i, one], node) => (i instanceof Unknown ? write(list, "open", unknown(node)) : change(list, list.items.toSpliced(i, 0, one))),
  pop: (list, [i = -1]) => {
    const one = list.items.at(i);
    change(list, list.items.toSpliced(i, 1));
    return one;
  },
  reverse: (list) => change(list, list.items.toReversed()),
  copy: (list) => Object.assign(new List(list.items), { open: list.open }),
  index: (list, [one]) => list.items.findIndex((item) => comparable(item) === comparable(one)),
  count: (list, [one]) => list.items.filter((item) => comparable(item) === comparable(one)).length,
};
const DICT_METHODS = {
  get: (dict, [key, other = null], named, node) => (key instanceof Unknown ? key : dict.map.has(key) ? dict.map.get(key) : (dict.open ?? other)),
  items: (dict, given, named, node) => Object.assign(new List(keysOf(dict, node).map((key, i) => new List([key, [...dict.map.values()][i]], true))), { open: dict.open }),
  keys: (dict, given, named, node) => Object.assign(new List(keysOf(dict, node)), { open: dict.open }),
  values: (dict) => Object.assign(new List([...dict.map.values()]), { open: dict.open }),
  copy: (dict) => Object.assign(new Dict(new Map(dict.map)), { open: dict.open }),
  pop: (dict, [key, other = null]) => {
    const value = dict.map.has(key) ? dict.map.get(key) : (dict.open ?? other);
    write(dict.map, key, undefined);
    return value;
  },
  setdefault: (dict, [key, other = null]) => {
    if (!dict.map.has(key)) write(dict.map, key, other);
    return dict.map.get(key);
  },
  update: (dict, [more], named, node) => {
    if (more instanceof Dict) for (const [key, value] of more.map) write(dict.map, key, value);
    else if (more !== undefined) write(dict, "open", more instanceof Unknown ? more : unknown(node));
    for (const [key, value] of named) write(dict.map, key, value);
    return null;
  },
};
const several = (value) => (value instanceof List ? value.items : [value]);
const STRING_METHODS = {
  lower: (one) => one.toLowerCase(),
  upper: (one) => one.toUpperCase(),
  strip: (one) => one.trim(),
  startswith: (one, parts) => several(parts).some((part) => one.startsWith(part)),
  endswith: (one, parts) => several(parts).some((part) => one.endsWith(part)),
  split: (one, by) => new List(by === undefined ? one.trim().split(/\s+/) : one.split(by)),
  replace: (one, a, b) => one.replaceAll(a, b),
};

// ---- Functions: (given, named, what more is given, node) ----

const textOf = (value) => (typeof value === "string" ? value : literal(value instanceof List ? value.items : value));
const shapeless = (value, node) => new Unknown(value.text || node.text, node.line, { said: value.said || "the shape of {name} is not known here", made: true });
const numbers = (f) => (given, named, open, node) => {
  const all = given.length === 1 && given[0] instanceof List ? given[0].items : given;
  return open ?? unknownIn(given) ?? unknownIn(all) ?? (!named.size && all.every((one) => typeof one === "number") ? f(...all) : unknown(node));
};
const over = (f) => (given, named, open, node) => {
  const all = given.map((one) => itemsOf(one, node));
  return open ?? all.find((one) => one instanceof Unknown) ?? Object.assign(f(all.map(({ items }) => items), named), { open: all.map((one) => one.open).find(Boolean) ?? null });
};
const paired = (n) => ([one]) => (one instanceof List || one instanceof Unknown ? one : new List(Array(n).fill(one), true));
const MATH = {
  sqrt: numbers(Math.sqrt), ceil: numbers(Math.ceil), floor: numbers(Math.floor), log: numbers((a, b) => (b ? Math.log(a) / Math.log(b) : Math.log(a))), log2: numbers(Math.log2),
  log10: numbers(Math.log10), exp: numbers(Math.exp), pow: numbers((a, b) => a ** b), prod: numbers((...all) => all.reduce((a, b) => a * b, 1)), pi: Math.PI, inf: Infinity, gcd: numbers((a, b) => { while (b) [a, b] = [b, a % b]; return a; }),
};
const rounded = (value, digits) => (digits === undefined ? (Math.abs(value % 1) === 0.5 ? 2 * Math.round(value / 2) : Math.round(value)) : Number(value.toFixed(digits)));
const every = (value, node, all) => {
  const of = itemsOf(value, node);
  if (of instanceof Unknown) return of;
  const held = of.items.map(truth);
  if (held.includes(!all)) return !all;
  return held.find((one) => typeof one !== "boolean") ?? of.open ?? all;
};
const copied = (value) => {
  if (value instanceof List) return Object.assign(new List(value.items.map(copied), value.tuple), { open: value.open });
  if (value instanceof Dict) return Object.assign(new Dict(new Map([...value.map].map(([key, one]) => [key, copied(one)]))), { open: value.open });
  if (!isModule(value)) return value;
  const made = Object.assign(new Made(value.type, value.line, value.kind), { values: value.values, lost: value.lost, open: value.open });
  for (const [key, one] of value.attrs) made.attrs.set(key, copied(one));
  return made;
};
const joined = ([list, dim = 0], named, node, stack) => {
  const all = list instanceof List ? list.items : [];
  const i = named.get("dim") ?? dim;
  if (!all.length || !all.every((one) => one instanceof Tensor && !unknownIn(one.shape)) || typeof i !== "number") return unknown(node);
  const { shape } = all[0];
  if (stack) return new Tensor(shape.toSpliced(axis(shape.length + 1, i), 0, all.length));
  const at = axis(shape.length, i);
  return new Tensor(shape.with(at, all.reduce((sum, one) => sum + one.shape[at], 0)));
};

const FUNCTIONS = {
  len: ([value], named, open, node) => {
    if (value instanceof Dict) return value.open ?? value.map.size;
    const all = itemsOf(value, node);
    return all instanceof Unknown ? all : (all.open ?? all.items.length);
  },
  range: (given, named, open, node) => {
    const lost = open ?? unknownIn(given);
    if (lost) return lost;
    if (!given.every(Number.isInteger)) return unknown(node);
    const [from, to, by] = given.length > 1 ? [given[0], given[1], given[2] ?? 1] : [0, given[0], 1];
    const length = Math.max(Math.ceil((to - from) / by), 0);
    if (length > MOST) throw new Said(node.line, "this is too much, or no numbers", {});
    return new List(Array.from({ length }, (_, i) => from + i * by));
  },
  int: ([value = 0], named, open, node) => (value instanceof Unknown ? value : typeof value === "boolean" || typeof value === "number" ? Math.trunc(value) : typeof value === "string" && /^\d+$/.test(value) ? Number(value) : unknown(node)),
  float: ([value], named, open, node) => (value instanceof Unknown || typeof value === "number" ? value : unknown(node)),
  bool: ([value = false]) => truth(value),
  str: ([value = ""]) => (value instanceof Unknown ? value : textOf(value)),
  abs: numbers(Math.abs),
  round: (given, named, open, node) => unknownIn(given) ?? (typeof given[0] === "number" ? rounded(given[0], given[1]) : unknown(node)),
  max: numbers(Math.max),
  min: numbers(Math.min),
  sum: (given, named, open, node) => numbers((...all) => all.reduce((a, b) => a + b, 0))(given, named, open, node),
  list: (given, named, open, node) => (given.length ? over(([items]) => new List(items))(given, named, open, node) : new List([])),
  tuple: (given, named, open, node) => (given.length ? over(([items]) => new List(items, true))(given, named, open, node) : new List([], true)),
  set: (given, named, open, node) => (given.length ? over(([items]) => new List([...new Set(items)]))(given, named, open, node) : new List([])),
  dict: (given, named, open, node) => FUNCTIONS.OrderedDict(given, named, open, node),
  OrderedDict: (given, named, open, node) => {
    let made = new Dict();
    if (given[0] instanceof Dict) made = new Dict(new Map(given[0].map));
    else if (given.length) {
      const all = itemsOf(given[0], node);
      if (all instanceof Unknown) made.open = all;
      for (const pair of all.items ?? []) if (pair instanceof List) made.map.set(...pair.items);
      made.open ??= all.open ?? null;
    }
    for (const [key, value] of named) made.map.set(key, value);
    made.open ??= open;
    return made;
  },
  enumerate: (given, named, open, node) => over(([items], at) => new List(items.map((one, i) => new List([i + (at.get("start") ?? given[1] ?? 0), one], true))))(given.slice(0, 1), named, open, node),
  zip: over((all) => new List(Array.from({ length: Math.min(...all.map((one) => one.length)) }, (_, i) => new List(all.map((one) => one[i]), true)))),
  reversed: over(([items]) => new List(items.toReversed())),
  sorted: (given, named, open, node) => (named.size ? unknown(node) : over(([items]) => new List(items.toSorted((a, b) => (a < b ? -1 : a > b))))(given, named, open, node)),
  all: ([value], named, open, node) => every(value, node, true),
  any: ([value], named, open, node) => every(value, node, false),
  print: () => null,
  product: over((all) => new List(all.reduce((found, items) => found.flatMap((one) => items.map((item) => [...one, item])), [[]]).map((items) => new List(items, true)))),
  chain: over((all) => new List(all.flat())),
  deepcopy: ([value]) => copied(value),
  Parameter: ([value], named, open, node) => {
    const data = value ?? named.get("data");
    if (data instanceof Tensor) return new Tensor(data.shape, { kept: "parameter", at: node.line });
    return shapeless(data instanceof Unknown || open ? (data ?? open) : unknown(node), node);
  },
  torch_cat: (given, named, open, node) => joined(given, named, node, false),
  torch_stack: (given, named, open, node) => joined(given, named, node, true),
  to_2tuple: paired(2),
  _pair: paired(2),
  _triple: paired(3),
  _single: paired(1),
};
FUNCTIONS.torch_concat = FUNCTIONS.torch_cat;
for (const name of ["transpose", "permute", "reshape", "unsqueeze", "abs", "exp", "log", "neg", "sigmoid", "sqrt", "tanh"]) {
  FUNCTIONS[`torch_${name}`] = ([of, ...given], named, open, node) => (of instanceof Tensor ? methodOf(of, name, given) : null) ?? unknown(node);
}

const TYPES = new Map([
  [FUNCTIONS.int, (value) => typeof value === "number" && Number.isInteger(value)],
  [FUNCTIONS.float, (value) => typeof value === "number" && !Number.isInteger(value)],
  [FUNCTIONS.str, (value) => typeof value === "string"],
  [FUNCTIONS.bool, (value) => typeof value === "boolean"],
  [FUNCTIONS.tuple, (value) => value instanceof List && value.tuple],
  [FUNCTIONS.list, (value) => value instanceof List && !value.tuple],
  [FUNCTIONS.dict, (value) => value instanceof Dict],
]);
