// Which layer each tensor belongs to: modules_of() of snippets/which_layer.py, on the same rules.
const rules = JSON.parse(document.querySelector("#rules").textContent);
const CONV1D = rules.conv1d.layer;

const unnumbered = (layer) => layer.replace(/\dd$/, "");
const memo = (make) => {
  const made = new Map();
  return (key) => made.get(key) ?? made.set(key, make(key)).get(key);
};

// ---- What one class may store ----

const entriesOf = memo((type) => (classes.get(type).holds ?? []).flatMap((entry) => (entry.index ? entry.holds : [entry])));
const decidingOf = memo((type) => (classes.get(type).order ?? []).filter((key) => !classes.get(type).other?.includes(key)));

// pattern() of snippets/storage.py: the tensor's name at the end of a key.
const patternOf = ({ name, when }) => {
  const index = JSON.stringify(when ?? 0).includes('[">","k",0]') ? "[1-9]\\d*" : "\\d+";
  return name.replaceAll(".", "\\.").replace("{suffix}", "(_reverse)?").replace(/\{\w+\}/g, index);
};
const wholeName = memo((entry) => new RegExp(`^${patternOf(entry)}$`));
const endOfName = memo((entry) => new RegExp(`(^|\\.)${patternOf(entry)}$`));
const namesOf = memo((type) => {
  const one = (entry) => (entry.shape ? patternOf(entry) : `${entry.name.replaceAll(".", "\\.").replace(/\{\w+\}/g, "\\d+")}\\..+`);
  return new RegExp(`^(?:${entriesOf(type).map(one).join("|") || "(?!)"})$`);
});

const below = (shapes, prefix) => new Map([...shapes].filter(([name]) => name.startsWith(`${prefix}.`)).map(([name, shape]) => [name.slice(prefix.length + 1), shape]));

const COUNTED = Object.entries(rules.counted).map(([key, pattern]) => [key, new RegExp(`^(?:${pattern})`)]);
// What names and shapes tell of a constructor's arguments: {argument: [values]}.
const measured = (type, shapes) => {
  const { spatial } = classes.get(type);
  const found = new Map();
  const put = (key, values) => found.has(key) || found.set(key, values);
  for (const entry of entriesOf(type)) {
    if (entry.shape) {
      for (const [name, shape] of shapes) {
        if (wholeName(entry).test(name)) for (const [size, value] of Object.entries(solve(entry.shape, shape, spatial) ?? {})) put(size, [value]);
      }
      continue;
    }
    const inner = below(shapes, entry.name.replace("{k}", "0"));
    if (rules.modules[entry.of]) {
      const fits = rules.modules[entry.of].flatMap((module) => fitOf(module, inner));
      found.set(entry.of, [...(entry.of.startsWith("custom_") ? [null] : []), ...fits.map(({ layer, values }) => moduleOf(layer, 0, { values }))]);
    } else {
      const sizes = measured(entry.of, inner);
      for (const [key, outer] of Object.entries(entry.arguments ?? {})) if (sizes.has(key) && !Array.isArray(sizes.get(key)[0])) put(outer, sizes.get(key));
    }
  }
  for (const [key, pattern] of COUNTED) {
    if (decidingOf(type).includes(key)) found.set(key, [new Set([...shapes.keys()].flatMap((name) => name.match(pattern)?.[1] ?? [])).size]);
  }
  for (const [key, value] of Object.entries(notSolved(type, shapes))) found.set(key, [value]);
  return new Map([...found].filter(([key]) => decidingOf(type).includes(key)));
};

const notSolved = (type, shapes) => {
  const { spatial, recipe } = classes.get(type);
  const [weight = [], bias = []] = [shapes.get("weight"), shapes.get("bias")];
  if (spatial && weight.length !== 2 + spatial) return {};
  if (recipe === "conv") return { in_channels: weight[1], kernel_size: weight.slice(2) };
  if (recipe === "conv_transpose") {
    const channels = bias.length ? bias[0] : weight[1];
    const groups = Math.floor(channels / (weight[1] || 1));
    if (groups < 1 || weight[0] % groups || channels % groups) return {};
    return { out_channels: channels, groups, kernel_size: weight.slice(2) };
  }
  if (recipe === "adaptive_softmax") return clusters(shapes);
  if (shapes.has("_random_samples")) return { _random_samples: { shape: shapes.get("_random_samples") } };
  return weight.length ? { normalized_shape: weight.length > 1 ? weight : weight[0] } : {};
};

const clusters = (shapes) => {
  const tails = [];
  while (shapes.has(`tail.${tails.length}.1.weight`)) tails.push(shapes.get(`tail.${tails.length}.1.weight`));
  const head = shapes.get("head.weight") ?? [];
  if (head.length !== 2 || !tails.length || tails.some((tail) => tail.length !== 2)) return {};
  const ends = [head[0] - tails.length];
  for (const [rows] of tails) ends.push(ends.at(-1) + rows);
  const n_classes = ends.pop();
  const low = Math.max(...tails.map(([, width], i) => (head[1] / (width + 1)) ** (1 / (i + 1))));
  const high = Math.min(...tails.map(([, width], i) => (width ? (head[1] / width) ** (1 / (i + 1)) : low + 2)));
  return { cutoffs: ends, n_classes, div_value: (low + high) / 2 };
};

const product = (lists) => lists.reduce((all, list) => all.flatMap((one) => list.map((value) => [...one, value])), [[]]);
const sameSizes = (a, b) => a.length === b?.length && a.every((size, i) => size === b[i]);

// One class, with the first arguments that explain all: {layer, values, tensors}, or none.
const fitOf = (layer, shapes) => {
  const pattern = namesOf(layer);
  if (!shapes.size || ![...shapes.keys()].every((name) => pattern.test(name))) return [];
  const { arguments: standard = {} } = classes.get(layer);
  const usual = (key) => (typeof standard[key] === "boolean" ? [standard[key], !standard[key]] : own(standard, key) ? [standard[key]] : []);
  const options = new Map(decidingOf(layer).map((key) => [key, usual(key)]));
  for (const [key, values] of measured(layer, shapes)) options.set(key, [...values, ...options.get(key).filter((value) => !value)]);
  for (const given of product([...options.values()])) {
    const values = Object.fromEntries([...options.keys()].map((key, i) => [key, given[i]]));
    const tensors = held(layer, values);
    if (tensors.length === shapes.size && tensors.every(({ name, shape }) => sameSizes(shape, shapes.get(name)))) {
      return [{ layer, values, clue: "", tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])) }];
    }
  }
  return [];
};

const isUsual = ({ layer, values }) => {
  const { arguments: standard = {} } = classes.get(layer) ?? {};
  const turned = rules.switches.some((key) => own(standard, key) && values[key] !== standard[key]);
  return !turned && !Array.isArray(values.normalized_shape) && !rules.rare.includes(layer);
};

const isTransposed = (shapes) => {
  const [weight = [], bias = []] = [shapes.get("weight"), shapes.get("bias")];
  return shapes.size === 2 && bias.length === 1 && weight.length === 2 && weight[1] === bias[0];
};
const conv1d = () => ({ layer: CONV1D, values: {}, clue: "", tensors: new Map(rules.conv1d.holds.map((tensor) => [tensor.name, { ...tensor, axes: tensor.shape }])) });

const withRecipe = [...classes].filter(([, { recipe }]) => recipe).map(([type]) => type);
const fitted = new Map();
const fitting = (given) => {
  const key = given.size < 32 ? JSON.stringify([...given]) : "";
  if (fitted.has(key)) return fitted.get(key);
  const shapes = new Map(given);
  if (shapes.has("running_mean") && !shapes.has("num_batches_tracked")) shapes.set("num_batches_tracked", []);
  const fits = withRecipe.flatMap((type) => fitOf(type, shapes));
  if (!fits.length && isTransposed(shapes)) fits.push(conv1d());
  const rank = (fit) => 4 * !isUsual(fit) + 2 * rules.seldom.includes(fit.layer) + (fit.values.bias === false);
  fits.sort((a, b) => rank(a) - rank(b));
  if (key) fitted.set(key, fits);
  return fits;
};

// ---- All modules, in each other's light ----

const modules = (shapes) => {
  const found = [];
  const todo = [["", shapes]];
  const isUsualName = (name) => rules.usual.includes(name);
  while (todo.length) {
    const [prefix, own] = todo.pop();
    const [direct, deeper] = [new Map(), new Map()];
    const depth = prefix.split(".").length - 1;
    for (const [name, shape] of own) {
      const at = name.indexOf(".");
      if (at >= 0 && at < name.length - 1 && depth < 64) {
        const head = name.slice(0, at);
        if (!deeper.has(head)) deeper.set(head, new Map());
        deeper.get(head).set(name.slice(at + 1), shape);
      } else direct.set(name, shape);
    }
    const fits = fitting(own);
    if (fits.length || (!deeper.size && ![...direct.keys()].some(isUsualName))) {
      found.push([prefix, own, fits]);
      continue;
    }
    const usual = new Map([...direct].filter(([name]) => isUsualName(name)));
    const other = new Map([...direct].filter(([name]) => !isUsualName(name)));
    const fitsUsual = fitting(usual);
    const whole = fitsUsual.length && (other.size || deeper.size);
    if (whole) found.push([prefix, usual, fitsUsual]);
    const rest = whole ? other : direct;
    if (rest.size) found.push([prefix, rest, []]);
    todo.push(...[...deeper].reverse().map(([head, inner]) => [`${prefix}${head}.`, inner]));
  }
  return found;
};

const isFull = (weight) => weight.length > 2 && weight[1] > 1 && Math.max(...weight.slice(2)) > 1;

// known_of_module(): what the conditions of the clues may ask of module i.
const knownOfModule = (own, beside, i) => {
  const weight = own.get("weight") ?? [];
  const [behind, entriesBehind] = beside[i + 1] ?? [[], 0];
  const nearest = (step) => {
    for (let k = i; k in beside; k += step) if (beside[k][0].length > 1) return beside[k][0];
    return [];
  };
  const around = [nearest(-1), nearest(1)];
  const kernels = around.map(isFull);
  return {
    axes: weight.length,
    rows: weight[0] ?? null,
    columns: weight[1] ?? null,
    odd_kernel: weight.length > 2 && weight.slice(2).every((size) => size % 2),
    bias: own.has("bias"),
    norm_behind: behind.length === 1 && entriesBehind > 1 ? behind[0] : null,
    matrix_beside: around.some(({ length }) => length === 2) && !kernels.some(Boolean),
    between_kernels: kernels.every(Boolean),
  };
};

// The published architectures of which the names have all marks: the first is the one.
const familiesIn = (names) => {
  const lines = [...names].join("\n");
  return rules.families.filter(({ marks }) => marks.every((mark) => new RegExp(mark, "m").test(lines)));
};
const normOf = (names) => familiesIn(names)[0]?.norm ?? "";

const putFirst = (fits, layers, clue) => {
  const isOne = ({ layer }) => layers.includes(layer) || layers.includes(unnumbered(layer));
  return [...fits.filter(isOne).map((fit) => ({ ...fit, clue })), ...fits.filter((fit) => !isOne(fit))];
};

const CLUES = rules.clues.map(([names, clue, pattern, when]) => [names.split(" "), clue, new RegExp(pattern), when]);
const decided = (found, norm) => {
  const beside = found.map(([, own]) => [own.get("weight") ?? [], own.size]);
  return found.map(([prefix, own, fits], i) => {
    const usual = fits.filter(isUsual).map(({ layer }) => layer);
    if (usual.includes(norm)) return [prefix, own, putFirst(fits, [norm], "family")];
    const layers = new Set(usual.map(unnumbered));
    if (layers.size < 2) return [prefix, own, fits];
    const word = prefix.toLowerCase().split(".").filter((one) => one && !/^\d+$/.test(one)).at(-1) ?? "";
    const known = knownOfModule(own, beside, i);
    for (const [some, clue, pattern, when] of CLUES) {
      if (pattern.test(word) && some.some((name) => layers.has(name)) && evaluate(when, known)) return [prefix, own, putFirst(fits, some, clue)];
    }
    return [prefix, own, fits];
  });
};

// [[prefix, {own name: shape}, fits]] of all modules.
const modulesOf = (shapes) => {
  const found = decided(modules(shapes), normOf(shapes.keys()));
  if (!found.some(([, , fits]) => fits.some(({ layer }) => layer === CONV1D))) return found;
  return found.map(([prefix, own, fits]) => [prefix, own, fits[0]?.layer !== CONV1D && isTransposed(own) ? [...fits, conv1d()] : fits]);
};
