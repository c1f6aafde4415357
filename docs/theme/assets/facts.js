// What a state_dict holds, by its names and shapes: described() of snippets/describe.py, on the same rules.
class Stored {
  constructor(shape, dtype, bytes = count(shape) * sizeOf(dtype), place = "") {
    Object.assign(this, { shape: [...shape], dtype, bytes, place });
  }
}
const sizeOf = (dtype) => (dtype === "bool" ? 1 : Number(dtype.match(/(\d+)[^\d]*/)[1]) / 8);

const unseen = (c) => {
  const code = c.codePointAt(0);
  const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[c];
  const [letter, digits] = code < 256 ? ["x", 2] : code < 65536 ? ["u", 4] : ["U", 8];
  return short ?? `\\${letter}${code.toString(16).padStart(digits, "0")}`;
};
const escaped = (text) => text.replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, unseen);
const plainly = (text, values = {}) => text.replace(/\{(\w+)\}/g, (_, key) => values[key]);
const telling = new WeakMap();

const isWhole = ({ dtype, shape }) => /^(u?int|bool)/.test(dtype) && shape.length > 0;

// ---- Names ----

const unwrapped = (names) => {
  const inside = new RegExp(rules.inside, "g");
  const clean = new Map(names.map((name) => [name, name.replace(inside, "$1")]));
  let counted = [...clean].filter(([name]) => name !== rules.count);
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
  if (!others.length && wrapped.length >= clean.size - clean.has(rules.count)) {
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

// LoRA's pairs: [parts as withoutParts() has them, what to compute].
const lora = (shapes) => {
  const pairs = new Map();
  for (const [name, shape] of shapes) {
    const [, module, side, adapter] = (shape.length === 2 && name.match(`^(?:${rules.lora})$`)) || [];
    const key = JSON.stringify([module, adapter]);
    if (side) pairs.set(key, { ...pairs.get(key), module, [{ down: "A", up: "B" }[side] ?? side]: name });
  }
  const whole = [...pairs.values()].filter(({ A, B }) => A && B && shapes.get(A)[0] === shapes.get(B)[1]);
  const weightOf = ({ module }) => `${module.replace(/\.base_layer$/, "")}.weight`;
  const parts = whole.flatMap((pair) => Object.entries(rules.lora_parts).map(([side, part]) => [pair[side], [weightOf(pair), part, ""]]));
  return [new Map(parts), whole.map((pair) => ({ name: weightOf(pair), kind: "LoRA", how: rules.merged }))];
};

// ---- Layers that a library quantised: quantised_layers() of snippets/quantized.py ----

const areMatrices = (...values) => values.every(({ shape }) => shape.length === 2);
// By the name of Kind.shape: the weight's shape, or null where the tensors are not of this kind.
const WEIGHT_SHAPES = {
  shape_of_gptq: ({ qweight, qzeros, scales }) => {
    if (!areMatrices(qweight, qzeros, scales)) return null;
    const [[rows, columns], [, packed], [, out]] = [qweight.shape, qzeros.shape, scales.shape];
    return columns === out && packed ? [out, quotient(rows * out, packed)] : null;
  },
  shape_of_awq: ({ qweight, qzeros, scales }) => {
    if (!areMatrices(qweight, qzeros, scales)) return null;
    const [[rows, columns], [, packed], [, out]] = [qweight.shape, qzeros.shape, scales.shape];
    return columns === packed && 8 * columns === out ? [out, rows] : null;
  },
  shape_of_compressed: ({ weight_shape: said }) => (said.dtype.startsWith("int") && sameSizes(said.shape, [2]) ? (said.numbers ?? null) : null),
  shape_of_int8: ({ weight }) => (areMatrices(weight) ? weight.shape : null),
  shape_of_4bit: (own) => Object.values(own).find(({ told }) => told)?.told.shape ?? null,
  shape_of_fp8: ({ weight: { shape }, weight_scale_inv: scales }) => ([2, 3].includes(shape.length) && [0, 1, shape.length].includes(scales.shape.length) ? shape : null),
  shape_of_fp8_experts: ({ "": weight, _scale_inv: scales }) => (weight.shape.length === 3 ? WEIGHT_SHAPES.shape_of_fp8({ weight, weight_scale_inv: scales }) : null),
  shape_of_mxfp4: (own) => {
    const [blocks, scales] = Object.values(own).map(({ shape }) => shape);
    const [rows, groups] = [blocks.slice(0, -2), blocks.at(-2)];
    return rows.length && blocks.at(-1) === 16 && sameSizes(scales, [...rows, groups]) ? [...rows, 32 * groups] : null;
  },
  shape_of_packed: (own) => Object.values(own).find(({ bias }) => bias !== undefined)?.shape ?? null,
  shape_of_qtensor: ({ weight: { of, bias, shape } }) => (of && bias === undefined ? shape : null),
};
// {start of the names: [the kind of a layer, {own name: tensor}]}.
const quantisedLayers = (state) => {
  const [known, experts] = rules.quantized_names.map((pattern) => new RegExp(`^(?:${pattern})$`));
  const found = new Map();
  const kindOf = (prefix) => {
    for (const kind of rules.quantized) {
      const own = Object.fromEntries(Object.keys(kind.parts).flatMap((name) => (state.has(prefix + name) ? [[name, state.get(prefix + name)]] : [])));
      if (!kind.needed.every((name) => own[name] instanceof Stored)) continue;
      const shape = WEIGHT_SHAPES[kind.shape]?.(own);
      if (shape) return [kind, own, shape];
    }
    return null;
  };
  for (const [name, value] of state) {
    const prefix = (name.match(known) ?? name.match(experts))?.[1] ?? (value?.of ? name.replace(/weight$/, "") : undefined);
    const layer = prefix === undefined || found.has(prefix) ? null : kindOf(prefix);
    if (layer) found.set(prefix, layer);
  }
  return found;
};
// quantised(): their parts as withoutParts() has them, the shapes of weights and biases, what to compute.
const quantised = (layers, clean) => {
  const [parts, shapes, how] = [new Map(), new Map(), []];
  for (const [prefix, [{ library, parts: said, weight: end }, own, shape]] of layers) {
    const names = Object.keys(own);
    const stored = names.map((name) => clean.get(prefix + name) ?? prefix + name);
    const start = stored[0].slice(0, stored[0].length - names[0].length);
    const [weight, [maker]] = [start + end, library.split(" ")];
    const whose = `${maker}'${maker.endsWith("s") ? "" : "s"}`;
    if (end) shapes.set(weight, shape);
    names.forEach((name, i) => parts.set(stored[i], [weight, (say) => say("{whose} {part} for", { whose, maker, part: say(said[name]) }), ""]));
    parts.set(stored[0], [weight, (say) => say("{library} of {shape}, {part}", { library, shape: `(${shape.join(", ")})${end ? "" : ` ${rules.experts}`}`, part: say(said[names[0]]) }), end ? null : "experts"]);
    for (const { bias } of Object.values(own)) if (bias) shapes.set(`${start}bias`, bias);
    how.push({ name: weight, kind: library, how: rules.dequantized });
  }
  return [parts, shapes, how];
};
const integers = (name, shapes) => {
  const module = name.slice(0, name.lastIndexOf(".") + 1);
  const isBeside = (other) => other.startsWith(module) && !other.slice(module.length).includes(".");
  const scales = [...shapes.keys()].filter((other) => isBeside(other) && new RegExp(rules.scale_names, "i").test(other.slice(module.length)));
  return (say) => say(rules.integers) + (scales.length ? say("; its scale may be {scales}", { scales: firsts(scales, say) }) : "");
};

// ---- The whole model ----

// Where an average of the weights is kept beside them.
const copies = (names) =>
  rules.averages.flatMap((start) => {
    const isBelow = (name) => name.startsWith(start) && !rules.of_averages.includes(name.slice(start.length));
    const below = names.filter(isBelow).map((name) => name.slice(start.length));
    const isLike = (like) => {
      const rest = names.filter((name) => name.startsWith(like)).map((name) => name.slice(like.length));
      const [others, short] = [new Set(rest.filter((name) => !isBelow(name))), new Set(rest.map((name) => name.replaceAll(".", "")))];
      return below.every((name) => others.has(name)) || below.every((name) => short.has(name));
    };
    const like = below.length ? rules.like.find(isLike) : undefined;
    return like === undefined ? [] : [{ start, like }];
  });

// Which published architecture it is: family_of() of snippets/families.py, on what config.json has.
const familyOf = (names, config) => {
  const found = familiesIn(names);
  if (!found.length) return null;
  const [{ name, page, rows, tied: [head, other] }] = found;
  const { model_type: kind, num_hidden_layers, n_layer } = config;
  const known = found.find(({ types }) => own(types, kind))?.types[kind];
  const place = names.find((one) => other && one.endsWith(other));
  const isAway = head && !names.some((one) => one.endsWith(head));
  const layers = new Set(names.flatMap((one) => one.match(/(?:^|\.)(?:layers?|h|block)\.(\d+)\./)?.[1] ?? []));
  const count = num_hidden_layers || n_layer;
  const absent = (say) => {
    const lines = [];
    if (isAway && config.tie_word_embeddings === false) lines.push(say("{head} is missing, and config.json does not tie it", { head }));
    else if (isAway && place) lines.push(say("{head} is not stored: {place} takes its place", { head, place }));
    if (Number.isInteger(count) && layers.size && layers.size < count) lines.push(say("config.json has {count} layers, this file {layers}: a shard?", { count, layers: layers.size }));
    return lines;
  };
  const told = { name: known ?? name, page, rows, absent: absent(plainly), doubt: typeof kind === "string" && !known ? `config.json says ${kind}` : "" };
  telling.set(told, absent);
  return told;
};
// The texts that a pattern stands for: of "{a,b}.c", "a.c" and "b.c".
const expanded = (pattern) => product(pattern.replace(/\?$/, "").split(/[{}]/).map((part, i) => (i % 2 ? part.split(",") : [part]))).map((parts) => parts.join(""));
// What the layers of a family have and a file has not: missing_of() of snippets/families.py.
const missingOf = (names, { model_type: kind }) => {
  const [family] = familiesIn(names);
  if (!family || (kind && !own(family.types, kind))) return [];
  const needed = family.layers.filter((pattern) => !pattern.endsWith("?")).flatMap(expanded);
  const allowed = new Set(family.layers.flatMap(expanded));
  const [missing, starts] = [[], new Set()];
  for (const stack of new Set(needed.filter((one) => one.includes(".#.")).map((one) => one.split(".#.")[0]))) {
    const inside = new RegExp(`^(|.*\\.)${stack.replaceAll(".", "\\.")}\\.(\\d{1,6})\\.(.*)$`);
    const found = names.flatMap((name) => (inside.test(name) ? [name.match(inside).slice(1)] : []));
    for (const [start] of found) starts.add(start);
    const last = found.reduce((most, [, number]) => Math.max(most, number), -1);
    const isWhole = found.every(([, , rest]) => allowed.has(`${stack}.#.${rest}`)) && found.some(([, number]) => Number(number) === 0);
    if (found.length && (!isWhole || starts.size > 1 || last > found.length)) return [];
    const layer = needed.filter((one) => one.startsWith(`${stack}.#.`));
    for (let number = 0; number <= last; number++) missing.push(...layer.map((one) => [...starts][0] + one.replace("#", number)));
  }
  for (const start of starts) missing.push(...needed.filter((one) => !one.includes("#")).map((one) => start + one));
  const here = new Set(names);
  return missing.filter((name) => !here.has(name));
};
const settingsOf = (config) => {
  const inner = config.rope_parameters;
  const told = { ...config, ...(inner && typeof inner === "object" ? inner : {}) };
  const isSetting = ([name, value]) => new RegExp(`^(?:${rules.settings})$`).test(name) && ["number", "string", "boolean"].includes(typeof value);
  return Object.fromEntries(Object.entries(told).filter(isSetting));
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

const together = (labels) => {
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
      const sizes = entry.shape && endOfName(entry).test(name) ? solve(entry.shape, shape, spatial) : null;
      return sizes && exists(entry.when ?? true, sizes) ? [[type, -entry.name.length]] : [];
    }),
  ).sort((a, b) => a[1] - b[1]).map(([type]) => type);

const tellLayers = ({ layers, by, shape }, own) => (say) => {
  if (!layers.length) {
    const alone = [...new Set(candidates(own, shape))];
    return alone.length && alone.length <= rules.most ? say("? by its own name and shape {layers}", { layers: together(alone) }) : "?";
  }
  const axes = new Map();
  for (const one of layers) axes.set(one.axes, [...(axes.get(one.axes) ?? []), one.layer]);
  const some = [...axes].map(([text, labels]) => `${together(labels)} ${text.startsWith("(") ? text : say("(as given)")}`).join(` ${say("or")} `);
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

// The facts of one state_dict; summary says what is in it that is no tensor. For the page, telling has
// the words of a tensor, and each module as modulesOf() has it, with all tensors.
const described = (state, summary, config = {}) => {
  const arrays = [...state].filter(([, value]) => value instanceof Stored);
  const clean = unwrapped(arrays.map(([name]) => name));
  const [packed, inside, unpacked] = quantised(quantisedLayers(state), clean);
  const whole = new Set(arrays.filter(([name, value]) => isWhole(value) && !packed.has(clean.get(name))).map(([name]) => clean.get(name)));
  const shapes = new Map(arrays.map(([name, { shape }]) => [clean.get(name), shape]).filter(([name]) => !whole.has(name) && !packed.has(name)));
  const counts = shapes.get(rules.count)?.length === 0 && shapes.delete(rules.count);
  const [pairs, adapted] = lora(shapes);
  const [kept, others] = withoutParts(new Map([...[...shapes].filter(([name]) => !pairs.has(name)), ...inside]));
  const parts = new Map([...others, ...packed, ...pairs]);
  const [weights, short] = plainNames(kept);
  const found = weights.size ? modulesOf(weights) : [];
  const owner = new Map(found.flatMap((module) => [...module[1].keys()].map((name) => [module[0] + name, [module, name]])));
  const chained = new Set(chains(found));
  const places = new Map();
  const tensors = [...state].map(([name, value]) => {
    const [weight, part, kind] = parts.get(clean.get(name) ?? name) ?? [clean.get(name), "", null];
    const partIn = (say) => (typeof part === "function" ? part(say) : say(part));
    if (!(value instanceof Stored)) return { name, what: part ? `${partIn(plainly)} ${escaped(weight)}` : summary(value) };
    const { shape, dtype, bytes, place } = value;
    const row = { name, shape, dtype, bytes };
    const isSetting = packed.get(clean.get(name))?.[2] === "";
    if (place && count(shape) > 1 && !isSetting) places.set(place, [...(places.get(place) ?? []), name]);
    if (part) Object.assign(row, { part: partIn(plainly), of: weight });
    let tell = integers(clean.get(name), shapes);
    if (counts && clean.get(name) === rules.count) tell = (say) => say(rules.averaged);
    else if (kind === "") tell = (say) => `${partIn(say)} ${escaped(weight)}`;
    else if (kind === "experts") tell = partIn;
    else if (!whole.has(clean.get(name))) {
      const [[prefix, , fits], own] = owner.get(short.get(weight));
      const some = likely(fits);
      const first = some[0]?.tensors.get(own);
      const layers = some.map((fit) => ({ layer: label(fit), axes: written(fit.tensors.get(own).axes) }));
      Object.assign(row, { module: prefix.slice(0, -1), layers, by: fits[0]?.clue ?? "", row: first?.row ?? "", blocks: first?.stacked ?? [] });
      const layer = chained.has(prefix) ? (say) => say(rules.matrix) : tellLayers(row, own);
      tell = (say) => (part ? `${partIn(say)}: ` : "") + layer(say);
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
  const computed = [...[...others.values()].filter(([, , kind]) => kind).map(([name, , kind]) => ({ name, kind, how: rules.how[kind] })), ...unpacked, ...adapted];
  const modules = found.map(moduleFacts);
  found.forEach((module, i) => telling.set(modules[i], [module, tensors]));
  return {
    numbers: sum(once.map(({ shape }) => count(shape))),
    bytes: sum(once.map(({ bytes }) => bytes)),
    tensors,
    modules,
    prefixes: prefixes(clean),
    computed,
    tied,
    copies: copies([...weights.keys()]),
    family: familyOf([...weights.keys()], config),
    missing: missingOf([...weights.keys()], config),
    settings: settingsOf(config),
  };
};

// The module of a name: of what else is in a module stands nothing but the name.
const byName = (modules) => new Map(modules.toReversed().map((module) => [module.name, module]));

// ---- In words ----

const CURES = { "": "{names} begins with {hold}: {cure} takes it off", of: "{names} hold {hold}, of {of}: {cure} takes it out" };
const notesOf = ({ family, missing, settings, prefixes: found, computed, tied, copies: averages }) => [
  ...(family ? [say(family.doubt ? "{name}, by its names, though config.json says another: {rows}" : "{name}, by its names: {rows}", { name: family.name, rows: family.rows.split("; ").map((part) => say(part)).join("; ") }), ...telling.get(family)(say)] : []),
  ...(missing.length ? [say("missing from this file: {names}", { names: firsts(missing) })] : []),
  ...(Object.keys(settings).length ? [say("what no tensor tells: {settings}", { settings: escaped(Object.entries(settings).map((pair) => pair.join(" ")).join(", ")) })] : []),
  ...found.map((one) => say(CURES[one.of && "of"], { ...one, names: say(one.names), hold: JSON.stringify(one.hold) })),
  ...[...new Set(computed.map(({ kind }) => kind))].map((kind) => say("{names}: {kind}, the weight is {how}", { kind, how: say(computed.find((one) => one.kind === kind).how), names: firsts(computed.filter((one) => one.kind === kind).map(({ name }) => name)) })),
  ...averages.map(({ start }) => say("below {start} are the names of the model again, an average over the training: {cure} has it alone", { start: JSON.stringify(start), cure: `under(state, "${start.slice(0, -1)}")` })),
  ...tied.slice(0, 9).map((names) => say("{names} are one array: tied", { names: firsts(names) })),
  ...(tied.length > 9 ? [say("and {more} more", { more: tied.length - 9 })] : []),
];
const firsts = (names, to = say) => names.slice(0, 3).map(escaped).join(", ") + (names.length > 3 ? ` ${to("and {more} more", { more: names.length - 3 })}` : "");
