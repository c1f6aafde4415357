// The trees that parsed() of snippets/storage.py makes of the registry's axes and conditions.
const MOST = 5000; // tensors: more is a slip of the finger, and would stop the page

const modulo = (a, b) => ((a % b) + b) % b;
const quotient = (a, b) => Math.round((a - modulo(a, b)) / b);
const range = (...ends) => {
  const [from, to] = ends.length > 1 ? ends : [0, ends[0]];
  if (to - from > MOST) throw new RangeError();
  return Array.from({ length: Math.max(to - from, 0) }, (_, i) => from + i);
};
const pairs = (holds) => (...values) => values.slice(1).every((value, i) => holds(values[i], value));
const same = pairs((a, b) => a === b);
const different = pairs((a, b) => a !== b);

const OPERATIONS = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "//": quotient,
  "**": (a, b) => a ** b,
  "<": pairs((a, b) => a < b),
  ">": pairs((a, b) => a > b),
  "==": same,
  "!=": different,
  is: same,
  "is not": different,
  and: (...conditions) => conditions.every(Boolean),
  or: (...conditions) => conditions.some(Boolean),
  if: (condition, value, other) => (condition ? value : other),
  item: (values, index) => values.at(index),
  shape: (array) => array.shape,
  len: (values) => values.length,
  range,
  prod: (values) => values.reduce((a, b) => a * b, 1),
  per_axis: (size, n) => (Array.isArray(size) ? size : Array(n).fill(size)),
};
const LEVELS = { "+": 1, "-": 1, "*": 2, "//": 2, "**": 3 };

// The value of a tree, with the names that are known.
const evaluate = (tree, known) => {
  if (typeof tree === "string") return known[tree];
  if (!Array.isArray(tree)) return tree;
  const [operation, ...given] = tree;
  if (operation === "text") return given[0];
  if (operation !== "tuple") return OPERATIONS[operation](...given.map((part) => evaluate(part, known)));
  return given.flatMap((item) => (item[0] === "spread" ? evaluate(item[1], known) : [evaluate(item, known)]));
};

// The text that it was made of, within what binds so closely.
const written = (tree, within = 0) => {
  if (!Array.isArray(tree)) return String(tree);
  const [operation, ...given] = tree;
  const texts = given.map((part) => written(part));
  if (operation === "tuple") return `(${texts.join(", ")}${texts.length === 1 ? "," : ""})`;
  if (operation === "spread") return `*${texts}`;
  if (operation === "shape") return `${texts}.shape`;
  if (operation === "item") return `${texts[0]}[${texts[1]}]`;
  const level = LEVELS[operation];
  if (!level) return `${operation}(${texts.join(", ")})`;
  const text = `${written(given[0], level)} ${operation} ${written(given[1], level + 1)}`;
  return level < within ? `(${text})` : text;
};

const namesIn = (tree) => {
  if (typeof tree === "string") return [tree];
  return Array.isArray(tree) && tree[0] !== "text" ? tree.slice(1).flatMap(namesIn) : [];
};

// The axes of a submodule, in terms of what its constructor is given.
const inTermsOf = (axes, given) => {
  const name = axes[0] === "spread" ? axes[1] : axes;
  if (typeof name === "string" && Object.hasOwn(given, name)) return given[name];
  return Array.isArray(axes) ? [axes[0], ...axes.slice(1).map((part) => inTermsOf(part, given))] : axes;
};

// The sizes that make axes this shape, null if none do.
const solve = (axes, shape, spatial) => {
  if (axes[0] === "shape") return {}; // of the array that was given: any
  const trees = axes.slice(1);
  if (trees.at(-1)?.[0] === "spread") {
    const rest = shape.length - trees.length + 1;
    if (rest < 1 || (spatial && spatial !== rest)) return null;
    trees.splice(-1, 1, ...Array(rest).fill(null));
  }
  if (trees.length !== shape.length) return null;
  const sizes = {};
  for (const [i, tree] of trees.entries()) {
    if (typeof tree === "number" && tree !== shape[i]) return null;
    const [operation, times, name] = typeof tree === "string" ? ["*", 1, tree] : Array.isArray(tree) ? tree : [];
    if (operation !== "*" || typeof times !== "number") continue;
    const size = shape[i] / times;
    if (!Number.isInteger(size) || (sizes[name] ?? size) !== size) return null;
    sizes[name] = size;
  }
  return sizes;
};

// Whether the condition holds, as far as sizes tell.
const exists = (when, sizes) => !namesIn(when).every((name) => Object.hasOwn(sizes, name)) || evaluate(when, sizes);
