// The values that a pasted program computes with: Python's, PyTorch's modules and tensors, and what
// is not known here, which spreads: what is made of it is not known either.
class Unknown {
  constructor(text, at, { said = "", made = false, attrs = new Map() } = {}) {
    Object.assign(this, { text, at, said, made, attrs }); // made: a module it may be
  }
}
class List {
  constructor(items, tuple = false) {
    Object.assign(this, { items: [...items], tuple, open: null }); // open: what decides how many more there are
  }
}
class Dict {
  constructor(map = new Map()) {
    Object.assign(this, { map, open: null });
    Object.defineProperty(map, "of", { value: this }); // what is not known of an entry is not known of the whole
  }
}
class Tensor {
  constructor(shape, more) {
    Object.assign(this, { shape }, more);
  }
}
// A class of torch.nn, a class of the text, and what either makes.
class Torch {
  constructor(type) {
    this.type = type;
  }
}
class Kind {
  constructor(name, bases, line) {
    Object.assign(this, { name, bases, line, vars: new Map(), fields: null, used: false });
  }
}
class Made {
  constructor(type, line, kind = null) {
    Object.assign(this, { type, line, kind, values: {}, lost: {}, attrs: new Map(), absent: new Map() });
  }
}
class Func {
  constructor(name, params, body, env, lambda = false) {
    Object.assign(this, { name, params, body, env, lambda, owner: null, role: "", used: false });
  }
}
class Space {
  constructor(name) {
    this.name = name;
  }
}
class Super {
  constructor(self, after) {
    Object.assign(this, { self, after });
  }
}
const CONTAINERS = /^(Sequential|ModuleList|ModuleDict|ParameterList|ParameterDict)$/;
const isModule = (value) => value instanceof Made;

// A class with all that it is made of, and what one of these gives under a name.
const lineage = (kind) => {
  const all = [kind];
  for (const base of kind.bases) all.push(...(base instanceof Kind ? lineage(base) : [base]));
  return [...new Set(all)];
};
const inherited = (all, name) => all.find((one) => one instanceof Kind && one.vars.has(name))?.vars.get(name);

// ---- Writes, which can be taken back: both ways of a branch are tried ----

let journal = null;
const current = (target, key) => (target instanceof Map ? target.get(key) : target[key]);
const put = (target, key, value) => {
  if (!(target instanceof Map)) target[key] = value;
  else if (value === undefined) target.delete(key);
  else target.set(key, value);
};
// One more at the end of a list: without a copy of it, where nothing is taken back.
const append = (list, one) => {
  if (journal) write(list, "items", [...list.items, one]);
  else list.items.push(one);
};
const write = (target, key, value) => {
  journal?.push([target, key, current(target, key)]);
  put(target, key, value);
};
// What a step writes, as {target: {key: [before, after]}}; none of it stays.
const tried = (step) => {
  const [outer, written] = [journal, new Map()];
  journal = [];
  let done = null;
  try {
    done = step() ?? null;
  } finally {
    const all = journal;
    journal = outer;
    for (const [target, key, before] of all) {
      if (!written.has(target)) written.set(target, new Map());
      if (!written.get(target).has(key)) written.get(target).set(key, [before, current(target, key)]);
    }
    for (const [target, key, before] of all.reverse()) put(target, key, before);
  }
  return [done, written];
};

const alike = (a, b) => {
  if (a === b) return true;
  if (a instanceof List && b instanceof List) return a.items.length === b.items.length && a.items.every((one, i) => alike(one, b.items[i])) && a.open === b.open;
  if (a instanceof Tensor && b instanceof Tensor) return alike(new List(a.shape), new List(b.shape));
  if (a instanceof Torch && b instanceof Torch) return a.type === b.type;
  if (a instanceof Unknown && b instanceof Unknown) return a.text === b.text && !a.made && !b.made;
  if (!isModule(a) || !isModule(b)) return false;
  const [left, right] = [a, b].map((one) => JSON.stringify(outline(one)));
  return left === right;
};
// What a module stores, for a comparison; an unknown in it is like no other.
const outline = (made) => {
  const parts = [...made.attrs].flatMap(([key, value]) => {
    if (isModule(value)) return [[key, outline(value)]].filter(([, [type, , inner]]) => stores(type) || inner.length);
    if (value instanceof Tensor && value.kept) return [[key, value.shape.map((size) => (size instanceof Unknown ? size.text : size))]];
    return value instanceof Unknown && value.made ? [[key, value.text, Math.random()]] : [];
  });
  return [stores(made.type) ? made.type : "", stores(made.type) ? made.values : 0, parts, Object.keys(made.lost)];
};
const storesNothing = (value) => isModule(value) && !stores(value.type) && !outline(value)[2].length;

// The value that one of two ways gives, where what decides is not known.
const either = (a, b, cause) => {
  if (alike(a, b)) return a;
  if (storesNothing(a) && storesNothing(b)) return a;
  if ((a === null && storesNothing(b)) || (b === null && storesNothing(a))) return null;
  const may = [a, b].some((one) => (isModule(one) && !storesNothing(one)) || (one instanceof Tensor && one.kept) || (one instanceof Unknown && one.made) || (one instanceof Torch && stores(one.type)));
  return new Unknown(cause.text, cause.at, { said: may ? "{name} decides what is stored here, and is not known" : cause.said, made: may });
};
const entries = (written) => [...written].flatMap(([target, keys]) => [...keys].map(([key, [before, after]]) => [target, key, before, after]));
const merge = (one, other, cause) => {
  const left = entries(one);
  for (const [target, key, before] of [...left, ...entries(other).filter(([t, k]) => !one.get(t)?.has(k))]) {
    const [a, b] = [one, other].map((all) => (all.get(target)?.has(key) ? all.get(target).get(key)[1] : before));
    if (key === "items") {
      const first = a.findIndex((item, i) => !alike(item, b[i]));
      write(target, key, first < 0 && a.length === b.length ? a : a.slice(0, first < 0 ? Math.min(a.length, b.length) : first));
      if (first >= 0 || a.length !== b.length) write(target, "open", new Unknown(cause.text, cause.at, { said: cause.said, made: true }));
    } else if (target.of && !(alike(a, b) && a !== undefined)) {
      write(target, key, undefined);
      write(target.of, "open", cause);
    } else write(target, key, either(a ?? null, b ?? null, cause));
  }
};
// What was written in a loop that runs nobody knows how often.
const blur = (written, cause) => {
  for (const [target, key, before, after] of entries(written)) {
    if (key === "items") write(target, "open", new Unknown(cause.text, cause.at, { said: cause.said, made: true }));
    else if (target.of) write(target.of, "open", cause);
    else if (before !== after) {
      const may = isModule(after) || (after instanceof Unknown && after.made);
      write(target, key, new Unknown(cause.text, cause.at, { said: cause.said, made: may }));
    }
  }
};

// ---- Shapes of tensors ----

const unknownIn = (values) => values.find((value) => value instanceof Unknown);
const broadcast = (a, b) => {
  const length = Math.max(a.length, b.length);
  const [left, right] = [a, b].map((shape) => [...Array(length - shape.length).fill(1), ...shape]);
  return left.map((size, i) => (size === 1 ? right[i] : size));
};
const flatSizes = (given) => given.flatMap((one) => (one instanceof List ? one.items : [one]));
const nestedShape = (value) => (value instanceof List ? [value.items.length, ...(value.items.length ? nestedShape(value.items[0]) : [])] : []);
const axis = (n, i) => modulo(i, n);

const MAKES = {
  ...Object.fromEntries(["zeros", "ones", "empty", "rand", "randn", "Tensor", "FloatTensor", "LongTensor"].map((name) => [name, (given, named) => flatSizes(named.size ? [named.size] : given)])),
  full: ([size]) => flatSizes([size]),
  tensor: ([value]) => nestedShape(value),
  as_tensor: ([value]) => nestedShape(value),
  normal: ([, , size], named) => flatSizes([named.size ?? size]),
  randint: (given, named) => flatSizes([named.size ?? given.at(-1)]),
  eye: ([n, m = n]) => [n, m],
  arange: (given) => (given.length > 1 ? [Math.ceil((given[1] - given[0]) / (given[2] ?? 1))] : [given[0]]),
  linspace: ([, , steps], named) => [named.steps ?? steps],
};
// A tensor's methods by the shape that they give; all others with "_" at the end keep theirs.
const METHODS = {
  transpose: (shape, [i, j]) => shape.map((size, k) => (k === axis(shape.length, i) ? shape.at(j) : k === axis(shape.length, j) ? shape.at(i) : size)),
  permute: (shape, given) => flatSizes(given).map((i) => shape.at(i)),
  view: (shape, given) => sized(shape, flatSizes(given)),
  reshape: (shape, given) => sized(shape, flatSizes(given)),
  unsqueeze: (shape, [i]) => shape.toSpliced(axis(shape.length + 1, i), 0, 1),
  squeeze: (shape, [i]) => (i === undefined ? shape.filter((size) => size !== 1) : shape.at(i) === 1 ? shape.toSpliced(axis(shape.length, i), 1) : shape),
  t: (shape) => shape.toReversed(),
  repeat: (shape, given) => flatSizes(given).map((times, i, all) => times * (shape[i - all.length + shape.length] ?? 1)),
  expand: (shape, given) => flatSizes(given).map((size, i, all) => (size === -1 ? shape[i - all.length + shape.length] : size)),
  flatten: (shape, given) => (given.length ? null : [shape.reduce((a, b) => a * b, 1)]),
};
const SAME = /^(clone|detach|to|float|double|half|cuda|cpu|contiguous|type|mul|add|div|sub|abs|exp|log|sqrt|neg|clamp|requires_grad_|data|sigmoid|tanh|type_as|new_tensor|\w*_)$/;
const sized = (shape, sizes) => {
  if (!sizes.includes(-1)) return sizes;
  const all = shape.reduce((a, b) => a * b, 1);
  return sizes.map((size) => (size === -1 ? -all / sizes.reduce((a, b) => a * b, 1) : size));
};
const methodOf = (tensor, name, given) => {
  if (SAME.test(name)) return new Tensor(tensor.shape);
  if (!own(METHODS, name) || unknownIn(tensor.shape)) return null;
  const shape = METHODS[name](tensor.shape, given);
  return shape && shape.every((size) => Number.isInteger(size)) ? new Tensor(shape) : null;
};
