// What a checkpoint holds: facts() of snippets/describe.py, on the same rules. What is left to Python stands on the page.
const plainly = (text, values = {}) => text.replace(/\{(\w+)\}/g, (_, key) => values[key]);
const telling = new WeakMap(); // the words of a row, in the language that say speaks

const isNested = (value) => value instanceof Map || Array.isArray(value);
const isWhole = ({ dtype, shape }) => /^(u?int|bool)/.test(dtype) && shape.length > 0;

const summary = (value) => {
  const kind = typeName(value);
  if (value instanceof Tensor) return `array ${tupled(value.shape)}`;
  if (value instanceof Map) return value.has("param_groups") ? "an optimizer's state" : `dict of ${value.size}`;
  if (Array.isArray(value)) return `${kind} of ${value.length}`;
  if (kind === "str") return `str ${repr([...value].slice(0, 40).join(""))}`;
  if (kind === "StandIn") return repr(value);
  return kind === "bool" || kind === "float" || (kind === "int" && value < 1e18 && value > -1e18) ? `${kind} ${repr(value)}` : kind;
};

const isStateDict = (mapping) => {
  const values = [...mapping.values()];
  const names = [...mapping].filter(([, value]) => value instanceof Tensor).map(([name]) => name);
  const beside = values.some((value) => value instanceof Map && [...value.values()].some((inner) => inner instanceof Tensor));
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

// ---- Names ----

const unwrapped = (names) => {
  const inside = new RegExp(rules.inside, "g");
  const clean = new Map(names.map((name) => [name, name.replace(inside, "$1")]));
  let counted = [...clean].filter(([name]) => name !== "n_averaged");
  for (const prefix of rules.wrappers) {
    if (counted.length && counted.every(([, short]) => short.startsWith(prefix))) counted = counted.map(([name, short]) => [name, short.slice(prefix.length)]);
  }
  for (const [name, short] of counted) clean.set(name, short);
  return new Set(clean.values()).size === clean.size ? clean : new Map(names.map((name) => [name, name]));
};

const prefixes = (clean) => {
  const wrapped = [...clean].filter(([name, short]) => name !== short);
  if (!wrapped.length) return [];
  const [prefix, ...others] = new Set(wrapped.map(([name, short]) => (name.endsWith(short) ? name.slice(0, name.length - short.length) : name)));
  if (!others.length && wrapped.length >= clean.size - clean.has("n_averaged")) {
    const names = wrapped.length === clean.size ? "every name" : "every other name";
    return [{ names, hold: prefix, of: "", cure: `under(state, "${prefix.slice(0, -1)}")` }];
  }
  const parts = Object.entries(rules.inside_parts).sort().filter(([part]) => wrapped.some(([name]) => name.includes(part)));
  return parts.map(([hold, of]) => ({ names: "some names", hold, of, cure: `{name.replace("${hold}", ""): state[name] for name in state}` }));
};

const plainNames = (shapes) => {
  const short = new Map();
  for (const name of shapes.keys()) {
    const own = name.split(".").at(-1);
    const plain = name.slice(0, name.length - own.length) + (rules.old_names[own] ?? own);
    short.set(name, shapes.has(plain) ? name : plain);
  }
  return [new Map([...shapes].map(([name, shape]) => [short.get(name), shape])), short];
};

const isLength = (lengths, directions) => {
  if (directions.length < 2 || !lengths.length) return directions.length > 1;
  const sizes = lengths.map((n, i) => [n, directions[i]]).filter(([n]) => n !== 1);
  return lengths.length === directions.length && sizes.length < 2 && sizes.every(([n, size]) => n === size);
};
const SHAPES = { lengths: isLength, alike: sameSizes, any: () => true };

const withoutParts = (shapes) => {
  const parts = new Map();
  for (const [of, [main, others, needed]] of Object.entries(rules.parts)) {
    const kind = of.split(",")[0];
    const [start, end] = main.split("{}");
    for (const [name, shape] of shapes) {
      const at = start ? name.lastIndexOf(start) : 0;
      if (at < 0 || !name.endsWith(end) || parts.has(name)) continue;
      const own = name.slice(at + start.length, name.length - end.length);
      const weight = name.slice(0, at) + own;
      const beside = Object.entries(others).map(([other, said]) => [name.slice(0, at) + other.replace("{}", own), said]);
      if (shapes.has(weight) || !beside.every(([other]) => shapes.has(other) && SHAPES[needed](shapes.get(other), shape))) continue;
      parts.set(name, [weight, kind + (kind === "weight_norm" ? "'s directions" : ""), kind]);
      for (const [other, said] of beside) parts.set(other, [weight, `${kind}'s ${said} for`, ""]);
    }
  }
  const kept = [...shapes].filter(([name]) => parts.get(name)?.[2] !== "").map(([name, shape]) => [parts.get(name)?.[0] ?? name, shape]);
  return [new Map(kept), new Map([...shapes.keys()].filter((name) => parts.has(name)).map((name) => [name, parts.get(name)]))];
};

const chains = (found) => {
  const rows = new Map();
  for (const [prefix, own, fits] of found) {
    const alike = prefix.replace(/\d+/g, "0");
    if (own.size === 1 && own.has("weight") && fits.some(({ layer }) => layer === "Linear")) rows.set(alike, [...(rows.get(alike) ?? []), [prefix, own.get("weight")]]);
  }
  return [...rows.values()].flatMap((matrices) => {
    const pairs = matrices.slice(1).map(([, b], i) => [matrices[i][1], b]);
    return pairs.length && pairs.every(([a, b]) => a[1] === b[0]) && pairs.some(([a, b]) => a[0] !== b[1]) ? matrices.map(([prefix]) => prefix) : [];
  });
};

// ---- Layers ----

const likely = (fits) => [fits.filter(({ clue }) => clue), fits.filter(isUsual), fits].find(({ length }) => length) ?? [];
const WITHOUT = " without bias";
const label = ({ layer, values }) => layer + (values.bias === false ? WITHOUT : "");

const joined = (labels) => {
  const families = new Map();
  for (const text of labels) {
    const end = text.endsWith(WITHOUT) ? WITHOUT : "";
    const layer = text.slice(0, text.length - end.length);
    const key = `${unnumbered(layer)}|${end}`;
    families.set(key, [...(families.get(key) ?? []), layer.slice(unnumbered(layer).length)]);
  }
  return [...families].map(([key, axes]) => key.replace("|", axes.join("/"))).join(", ");
};

const candidates = (name, shape) =>
  [...classes].flatMap(([type, { recipe, spatial }]) =>
    (recipe ? entriesOf(type) : []).flatMap((entry) => {
      const sizes = entry.shape && new RegExp(`(^|\\.)${patternOf(entry)}$`).test(name) ? solve(entry.shape, shape, spatial) : null;
      return sizes && exists(entry.when ?? true, sizes) ? [[type, -entry.name.length]] : [];
    }),
  ).sort((a, b) => a[1] - b[1]).map(([type]) => type);

const tellLayers = ({ layers, by, shape }, own) => (say) => {
  if (!layers.length) {
    const alone = [...new Set(candidates(own, shape))];
    return alone.length && alone.length <= rules.most ? say("? by its own name and shape {layers}", { layers: joined(alone) }) : "?";
  }
  const axes = new Map();
  for (const one of layers) axes.set(one.axes, [...(axes.get(one.axes) ?? []), one.layer]);
  const some = [...axes].map(([text, labels]) => `${joined(labels)} ${text.startsWith("(") ? text : say("(as given)")}`).join(` ${say("or")} `);
  return by ? say("{layers}, by its {clue}", { layers: some, clue: say(by) }) : some;
};

const moduleFacts = ([prefix, own, fits]) => {
  const some = likely(fits);
  const blocks = fits.length === 1 ? [...fits[0].tensors.values()].flatMap(({ stacked: rows }) => (rows ? [rows] : [])) : [];
  const sizes = {};
  const todo = blocks.length ? Object.entries(fits[0].values) : [];
  for (const [key, value] of todo) {
    if (value && (Number.isInteger(value) || key === "bidirectional")) sizes[key] ??= value;
    else if (value?.values && key !== "norm") todo.push(...Object.entries(value.values));
  }
  const [rows, columns] = own.get("weight") ?? [];
  const fused = (axis, whole, each, layer) => whole === 3 * each && fits.some((fit) => fit.layer === layer) && { axis, each };
  const isFused = own.get("weight")?.length === 2 && new RegExp(rules.fused, "i").test(prefix.slice(0, -1));
  return {
    name: prefix.slice(0, -1),
    layers: some.map(label),
    by: fits[0]?.clue ?? "",
    less_likely: fits.filter((fit) => !some.includes(fit)).map(label),
    sizes,
    blocks: [...new Set(blocks.map(String))].map((text) => text.split(",")),
    fused: (isFused && (fused(0, rows, columns, "Linear") || fused(1, columns, rows, CONV1D))) || null,
  };
};

// The facts of one state_dict. Beside them, for the page: each module as modulesOf() has it.
const described = (state) => {
  const arrays = [...state].filter(([, value]) => value instanceof Tensor);
  const clean = unwrapped(arrays.map(([name]) => name));
  const whole = new Set(arrays.filter(([, value]) => isWhole(value)).map(([name]) => clean.get(name)));
  const [kept, parts] = withoutParts(new Map(arrays.map(([name, { shape }]) => [clean.get(name), shape]).filter(([name]) => !whole.has(name))));
  const [weights, short] = plainNames(kept);
  const found = modulesOf(weights);
  const owner = new Map(found.flatMap((module) => [...module[1].keys()].map((name) => [module[0] + name, [module, name]])));
  const chained = new Set(chains(found));
  const places = new Map();
  const tensors = [...state].map(([name, value]) => {
    if (!(value instanceof Tensor)) return { name, what: summary(value) };
    const { shape, dtype, bytes, place } = value;
    const row = { name, shape, dtype, bytes };
    if (place && count(shape) > 1) places.set(place, [...(places.get(place) ?? []), name]);
    const [weight, part, kind] = parts.get(clean.get(name)) ?? [clean.get(name), "", null];
    if (part) Object.assign(row, { part, of: weight });
    let tell = (say) => say(rules.integers);
    if (kind === "") tell = (say) => `${say(part)} ${escaped(weight)}`;
    else if (!whole.has(clean.get(name))) {
      const [[prefix, , fits], own] = owner.get(short.get(weight));
      const some = likely(fits);
      const first = some[0]?.tensors.get(own);
      const layers = some.map((fit) => ({ layer: label(fit), axes: written(fit.tensors.get(own).axes) }));
      Object.assign(row, { module: prefix.slice(0, -1), layers, by: fits[0]?.clue ?? "", row: first?.row ?? "", blocks: first?.stacked ?? [] });
      const layer = chained.has(prefix) ? (say) => say(rules.matrix) : tellLayers(row, own);
      tell = (say) => (part ? `${say(part)}: ` : "") + layer(say);
      telling.set(row, { axes: first, trees: some.map((fit) => fit.tensors.get(own).axes) });
    }
    row.what = tell(plainly);
    telling.set(row, { ...telling.get(row), tell });
    return row;
  });
  const tied = [...places.values()].filter((names) => names.length > 1);
  const again = new Set(tied.flatMap((names) => names.slice(1)));
  const once = tensors.filter(({ name, shape }) => shape && !again.has(name));
  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
  const computed = [...parts.values()].filter(([, , kind]) => kind).map(([name, , kind]) => ({ name, kind, how: rules.how[kind] }));
  const modules = found.map(moduleFacts);
  found.forEach((module, i) => telling.set(modules[i], module));
  return {
    numbers: sum(once.map(({ shape }) => count(shape))),
    bytes: sum(once.map(({ bytes }) => bytes)),
    tensors,
    modules,
    prefixes: prefixes(clean),
    computed,
    tied,
  };
};

const facts = (state) => {
  const [found, others] = stateDicts(state);
  return { states: found.map(([path, inner]) => ({ path, ...described(inner) })), besides: others.map(([path, value]) => ({ path, what: summary(value) })) };
};
