// What a pasted model stores: held() of snippets/storage.py, on the same registry, in the browser.
const { classes: registry, labels, hues, stacked, words } = JSON.parse(document.querySelector("#registry").textContent);
const classes = new Map(Object.entries(registry));
const form = document.querySelector(".calculator");
const box = form.querySelector("textarea");
const result = document.querySelector(".calculated");
const table = result.querySelector("table");
const pages = new Map([...document.querySelectorAll("article p a")].map((a) => [a.textContent, a.href]));
const own = Object.hasOwn;

const say = (text, values = {}) => (words[text] ?? text).replace(/\{(\w+)\}/g, (_, key) => values[key]);

class Slip extends Error {
  constructor(line, text, values) {
    super(say("Line {line}: {said}", { line, said: say(text, values) }));
  }
}

// ---- Python's expressions, as people write them ----

const TOKEN =
  /(\d[\d_]*(?:\.\d*)?(?:e[-+]?\d+)?|\.\d+)|([\p{L}_][\p{L}\d_]*(?:\.[\p{L}_][\p{L}\d_]*)*)|("[^"\n]*"|'[^'\n]*')|(\*\*|\/\/|[=!<>]=|[-+*/%()[\]{},:=<>.])|(\n)|([^\S\n]+|#.*|\\\n)|(.)/giu;
const KINDS = ["number", "name", "text", "op", "newline", "space", "other"];
const CLOSES = { "(": ")", "[": "]", "{": "}" };

// The tokens of each statement, which ends where a line ends outside of brackets.
const statements = (text) => {
  const found = [[]];
  const open = [];
  let line = 1;
  for (const match of text.matchAll(TOKEN)) {
    const token = { kind: KINDS[match.slice(1).findIndex((part) => part !== undefined)], text: match[0], line };
    line += token.text.includes("\n"); // no token has two
    if (token.kind === "space" || (token.kind === "newline" && open.length)) continue;
    if (token.kind === "newline") {
      found.push([]);
      continue;
    }
    if (token.kind === "op" && CLOSES[token.text]) open.push(token);
    if (token.kind === "op" && /[)\]}]/.test(token.text) && CLOSES[open.pop()?.text] !== token.text) {
      token.kind = "other"; // where the parser will stop
      open.length = 0;
    }
    found.at(-1).push(token);
  }
  if (open.length) found.at(-1).unclosed = open.at(-1);
  return found.filter((tokens) => tokens.length);
};

const OPS = {
  or: (a, b) => a || b,
  and: (a, b) => a && b,
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  is: (a, b) => a === b,
  "is not": (a, b) => a !== b,
  "+": (a, b) => (Array.isArray(a) && Array.isArray(b) ? [...a, ...b] : a + b),
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "//": quotient,
  "/": (a, b) => a / b,
  "%": modulo,
  "**": (a, b) => a ** b,
};
const CONSTANTS = { True: true, False: false, None: null };

class Name {
  constructor(text) {
    this.text = text;
  }
}

// Returns a function of what the names mean. A bare name may stay one: print() writes padding=same.
const compile = (tokens, bare = false) => {
  let at = 0;
  const end = { kind: "end", text: "", line: tokens.at(-1)?.line ?? 1 };
  const here = () => tokens[at] ?? end;
  const take = (text) => here().text === text && here().kind !== "text" && Boolean(++at);
  const fail = () => {
    if (tokens.unclosed) throw new Slip(tokens.unclosed.line, "this bracket is never closed: {text}", tokens.unclosed);
    const { kind, line, text } = here();
    throw kind === "end" ? new Slip(line, "something is missing at the end") : new Slip(line, "not understood: {text}", { text });
  };
  const want = (text) => take(text) || fail();

  const level = (next, ops) => () => {
    let left = next();
    for (let op; (op = ops.find(take)); ) {
      const [a, b, f] = [left, next(), OPS[op]];
      left = (env) => f(a(env), b(env));
    }
    return left;
  };
  const postfix = () => {
    let value = atom();
    for (;;) {
      const inner = value;
      if (take("[")) {
        const cut = take(":");
        const index = expression();
        want("]");
        value = (env) => (cut ? inner(env).slice(0, index(env)) : inner(env).at(index(env)));
      } else if (take(".")) {
        // model.eval(), nn.Linear(3, 2).double(): the same module
        if (here().kind !== "name") fail();
        at++;
        want("(");
        sequence(")");
        value = (env) => inner(env);
      } else return value;
    }
  };
  const unary = () => {
    if (!take("-")) return power();
    const value = unary();
    return (env) => -value(env);
  };
  const power = () => {
    const base = postfix();
    if (!take("**")) return base;
    const exponent = unary();
    return (env) => base(env) ** exponent(env);
  };
  const sum = level(level(unary, ["*", "//", "/", "%"]), ["+", "-"]);
  const compare = () => {
    const first = sum();
    const links = [];
    for (let op; (op = ["<=", ">=", "==", "!=", "<", ">", "is"].find(take)); ) {
      if (op === "is" && take("not")) op = "is not";
      links.push([OPS[op], sum()]);
    }
    if (!links.length) return first;
    return (env) => {
      let left = first(env);
      return links.every(([holds, next]) => {
        const right = next(env);
        const held = holds(left, right);
        left = right;
        return held;
      });
    };
  };
  const either = level(level(compare, ["and"]), ["or"]);
  const expression = () => {
    const value = either();
    if (!take("if")) return value;
    const condition = either();
    want("else");
    const other = expression();
    return (env) => (condition(env) ? value(env) : other(env));
  };

  // What stands between brackets: values, *values, name=values.
  const sequence = (close) => {
    const items = [];
    while (!take(close)) {
      const spread = take("*");
      const key = here().kind === "name" && tokens[at + 1]?.text === "=" ? here().text : null;
      if (key !== null) at += 2;
      items.push({ key, spread, value: expression() });
      if (take("for")) {
        const name = here().text;
        at++;
        want("in");
        const [inner, values] = [items.pop().value, expression()];
        const each = (env) => [...values(env)].map((one) => inner({ ...env, [name]: one }));
        items.push({ key: null, spread: true, value: each });
      }
      if (here().text !== close) want(",");
      else items.alone = true; // no comma at the end
    }
    return items;
  };
  const listed = (items) => (env) => items.flatMap(({ spread, value }) => (spread ? [...value(env)] : [value(env)]));

  const atom = () => {
    const { kind, text, line } = here();
    at++;
    if (kind === "number") return () => Number(text.replaceAll("_", ""));
    if (kind === "text") return () => text.slice(1, -1);
    if (kind === "op" && text === "(") {
      const items = sequence(")");
      return items.length === 1 && items.alone && !items[0].spread ? items[0].value : listed(items);
    }
    if (kind === "op" && text === "[") return listed(sequence("]"));
    if (kind === "op" && text === "{") {
      const pairs = [];
      while (!take("}")) {
        const key = expression();
        want(":");
        pairs.push([key, expression()]);
        if (here().text !== "}") want(",");
      }
      return (env) => pairs.map(([key, value]) => [key(env), value(env)]);
    }
    if (kind !== "name") {
      at--;
      fail();
    }
    if (!take("(")) {
      return (env) => {
        if (own(CONSTANTS, text)) return CONSTANTS[text];
        if (own(env, text)) return env[text];
        const [start, last] = text.split(".");
        if (last === "shape" && own(env, start)) return env[start].shape;
        if (bare || last) return new Name(text);
        throw new Slip(line, "{name} is a name. Write its value in its place, or above in a line of its own", { name: text });
      };
    }
    const items = sequence(")");
    const positional = listed(items.filter(({ key }) => key === null));
    return (env) => {
      const named = items.filter(({ key }) => key !== null).map(({ key, value }) => [key, value(env)]);
      return call(text, positional(env), named, line, bare);
    };
  };

  const value = expression();
  if (at < tokens.length || tokens.unclosed) fail();
  return value;
};

// ---- Modules: {type, values, children, line, printed} ----

const FUNCTIONS = {
  len: OPERATIONS.len,
  prod: OPERATIONS.prod,
  range,
  OrderedDict: (pairs = []) => pairs,
};
const CONTAINERS = /^(Sequential|ModuleList|ModuleDict)$/;
const ARRAYS = /^(torch\.)?(ones|zeros|empty|rand|randn)$/;

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
const DIVIDES = [
  ["groups", "in_channels"],
  ["groups", "out_channels"],
  ["num_groups", "num_channels"],
  ["num_heads", "embed_dim"],
  ["nhead", "d_model"],
];

const call = (callee, given, named, line, printed) => {
  const type = callee.replace(/^(torch\.)?nn\.(modules\.)?/, "");
  if (own(FUNCTIONS, callee)) return FUNCTIONS[callee](...given);
  if (ARRAYS.test(callee)) return { shape: given.flat() };
  if (type === "Parameter") return { type, shape: given[0]?.shape ?? [], children: [], line };
  if (!classes.has(type)) {
    throw new Slip(line, "{type} is no class of torch.nn, the nearest is {near}. Of a class of your own paste print(model)", {
      type,
      near: nearest(type, classes.keys()),
    });
  }
  const node = { type, values: {}, children: [], line, printed };
  if (CONTAINERS.test(type)) {
    const items = type === "Sequential" && !Array.isArray(given[0]) ? given : (given[0] ?? []);
    node.children = items.map((item, i) => (Array.isArray(item) ? item : [`${i}`, item]));
    const wrong = node.children.find(([, child]) => !child?.children);
    if (wrong) throw new Slip(line, "{type} takes modules, not {value}", { type, value: literal(wrong[1]) });
  } else node.values = bound(type, given, named, line, printed);
  return node;
};

const bound = (type, given, named, line, printed) => {
  const { order, arguments: standard = {}, other = [], reason = "" } = classes.get(type);
  if (reason.startsWith("lazy")) throw new Slip(line, "{type} has no shapes before its first call", { type });
  if (!order) return {};
  if (given.length > order.length + 2) throw new Slip(line, "{type} takes fewer arguments: {all}", { type, all: order.join(", ") });
  const values = {};
  for (const [key, value] of [...given.map((value, i) => [order[i] ?? "device", value]), ...named]) {
    if (key === "device" || key === "dtype") continue;
    if (!order.includes(key)) {
      throw new Slip(line, "{type} has no argument {key}, the nearest is {near}", { type, key, near: nearest(key, order) });
    }
    const decides = !other.includes(key);
    if (value instanceof Name && decides) {
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

// ---- What a module stores ----

const held = (type, values) => {
  const layer = classes.get(type);
  const known = { ...layer.arguments, ...values };
  for (const [key, tree] of Object.entries(layer.derived ?? {})) known[key] = evaluate(tree, known);
  const found = [];
  const walk = (entry, env) => {
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

const tensors = (node) => {
  if (node.lost) return [];
  if (node.shape) return [{ name: "", shape: node.shape, axes: null, row: say("a parameter of your own") }];
  if (node.type === "MultiheadAttention" && node.printed) {
    // Of all that it is, it prints this one layer.
    const [, { values }] = node.children.find(([key]) => key === "out_proj") ?? [, { values: {} }];
    if (!values.out_features) throw new Slip(node.line, "{type} needs {missing}", { type: node.type, missing: "out_proj" });
    return held(node.type, { embed_dim: values.out_features, bias: values.bias });
  }
  const found = classes.has(node.type) && !node.children.length ? held(node.type, node.values) : [];
  for (const [key, child] of node.children) {
    for (const tensor of tensors(child)) found.push({ ...tensor, name: key + (tensor.name && ".") + tensor.name });
    if (found.length > MOST) throw new RangeError();
  }
  for (const { name, shape } of found) {
    if (!shape.every((size) => Number.isInteger(size) && size >= 0)) {
      throw new Slip(node.line, "{name} can't have the shape ({shape}): write numbers", { name, shape: shape.map(literal).join(", ") });
    }
  }
  return found;
};

const inside = (node) => node.children.flatMap(([, child]) => [child, ...inside(child)]);

const literal = (value) => {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `(${value.map(literal).join(", ")}${value.length === 1 ? "," : ""})`;
  if (typeof value === "object") return value.type ?? value.text ?? "...";
  return typeof value === "string" ? JSON.stringify(value) : String(value);
};

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
  const stores = (key) => holds.some(({ name }) => name === key);
  const tensor = (key) => (rows.some(({ name }) => name === prefix + key) ? `state["${prefix}${key}"]` : "");
  const parts = [];
  let byName = false;
  for (const key of inputs) {
    let value = key;
    if (key === "weights") value = prefix ? `under(state, "${prefix.slice(0, -1)}")` : "state";
    else if (stores(key)) value = tensor(key) || (Array.isArray(options[key]) ? "None" : "");
    else if (order.includes(key)) value = own(known, key) ? literal(known[key]) : key;
    if (!value) byName = true;
    else parts.push(byName ? `${key}=${value}` : value);
  }
  for (const [key, usual] of Object.entries(options)) {
    if (inputs.includes(key)) continue;
    let value = known[key];
    if (typeof usual === "number" && Array.isArray(value) && value.every((one) => one === value[0])) value = value[0];
    if (stores(key)) {
      if (tensor(key)) parts.push(`${key}=${tensor(key)}`);
    } else if (own(known, key) && !untold.includes(key)) {
      if (value !== usual) parts.push(`${key}=${literal(value)}`);
    } else if (Array.isArray(usual) && untold.includes(key)) parts.push(`${key}=${key}`);
  }
  return `${before}${parts.join(", ")})`;
};

// A layer with a line of its own is one group, a container the groups of what it holds.
const groups = (node, prefix = "") => {
  const layer = classes.get(node.type);
  if (node.children.length && !node.lost && !layer?.use) return node.children.flatMap(([key, child]) => groups(child, `${prefix}${key}.`));
  const rows = tensors(node).map((row) => ({ ...row, name: prefix + row.name || "weight" }));
  if (node.shape) rows[0].name = prefix.slice(0, -1) || "weight";
  if (!rows.length) return [];
  const untold = node.printed ? (layer.silent ?? []) : [];
  return [{ type: node.type, prefix: prefix.slice(0, -1), line: layer?.use ? line(node, prefix, rows) : "", untold, rows }];
};

// ---- What people paste ----

const PRINTED = /^\s*\([^()\n]+\): /m;
const OPENS = /^(?:\((.+?)\): )?(?:\d+ x )?([\p{L}_][\p{L}\d_.]*)\((.*)$/u;
const LOOSE = /\(([^()]+)\): (?:\w+ containing: )\[[^\]]*? of size ([\dx]*)[^\]]*\]/g;

// print(model): a module a line, or several, from its name and ( to ).
const readPrint = (text, slips) => {
  const root = { type: "", children: [], extra: "" };
  const open = [root];
  const within = (key) => open.some((outer) => outer.key === key);
  const attempt = (node) => {
    try {
      finish(node);
    } catch (slip) {
      if (!(slip instanceof Slip)) throw slip;
      slips.push(slip.message);
      node.lost = true;
    }
  };
  const finish = (node) => {
    if (node.key === "parametrizations" || within("parametrizations")) return;
    const plain = node.type === "NonDynamicallyQuantizableLinear" ? "Linear" : node.type;
    if (node.children.some(([key]) => key === "parametrizations")) {
      throw new Slip(node.line, "{type} is parametrized: state_dict() holds what its weight is made of, which is not computed here", node);
    }
    node.type = plain;
    if (!classes.has(plain)) {
      if (!node.children.length) {
        throw new Slip(node.line, "{type} is no class of torch.nn, and its print says nothing of what it stores", node);
      }
    } else if (!node.children.length || node.extra) {
      const { order } = classes.get(plain);
      // What stores nothing has nothing to be read.
      if (order || classes.get(plain).reason?.startsWith("lazy")) {
        const tokens = statements(`${plain}(${node.extra})`)[0];
        for (const token of tokens) token.line = node.line;
        if (tokens.unclosed) tokens.unclosed.line = node.line;
        node.values = plain === "MultiheadAttention" ? {} : compile(tokens, true)({}).values;
      }
    }
  };
  const place = (key, node) => {
    const [from, to = from] = (/^\d+-\d+$/.test(key ?? "") ? key.split("-") : [key]) ?? [];
    if (to - from > MOST) throw new RangeError();
    const keys = from === to ? [key ?? ""] : Array.from({ length: to - from + 1 }, (_, i) => `${+from + i}`);
    for (const one of keys) open.at(-1).children.push([one, node]);
  };
  const loose = (node, rest) => {
    for (const [, key, sizes] of rest.matchAll(LOOSE)) {
      node.children.push([key, { type: "Parameter", shape: sizes.split("x").filter(Boolean).map(Number), children: [], line: node.line }]);
    }
  };
  for (const [i, raw] of text.split("\n").entries()) {
    const at = i + 1;
    const part = raw.trim();
    const match = part.match(OPENS);
    if (!part || /^>>> |^print\(/.test(part)) continue;
    if (part === ")") {
      if (open.length === 1) slips.push(new Slip(at, "a bracket too many").message);
      else attempt(open.pop());
    } else if (match && (match[1] !== undefined || open.length === 1)) {
      const [, key, name, rest] = match;
      const node = { type: name.split(".").at(-1), values: {}, children: [], line: at, printed: true, extra: "", key };
      if (!rest.trim()) {
        place(key, node);
        open.push(node);
      } else if (!rest.endsWith(")")) slips.push(new Slip(at, "this bracket is never closed: {text}", { text: "(" }).message);
      else {
        node.extra = rest.slice(0, -1);
        loose(node, rest);
        if (node.children.length) node.extra = "";
        attempt(node);
        place(key, node);
      }
    } else if (part.match(LOOSE)) loose(open.at(-1), part);
    else if (open.length > 1) open.at(-1).extra += `${part} `;
    else slips.push(new Slip(at, "not understood: {text}", { text: part }).message);
  }
  for (const { line: at } of open.slice(1)) slips.push(new Slip(at, "this bracket is never closed: {text}", { text: "(" }).message);
  return root.children;
};

// The values that a function has for those who give none: def __init__(self, hidden=100).
const readDefaults = (tokens, env) => {
  const parts = [[]];
  let depth = 0;
  for (const token of tokens.slice(2)) {
    const { kind, text } = token;
    if (kind === "op" && CLOSES[text]) depth++;
    if (kind === "op" && /[)\]}]/.test(text) && !--depth) break;
    if (kind === "op" && text === "," && depth === 1) parts.push([]);
    else parts.at(-1).push(token);
  }
  for (const part of parts) {
    const equals = part.findIndex(({ text }) => text === "=");
    const { text: name } = part.find(({ kind }) => kind === "name") ?? {};
    if (equals < 0 || !name) continue;
    try {
      env[name] = compile(part.slice(equals + 1))(env);
    } catch {} // a layer that needs this one says so
  }
};

// The lines of an __init__: sizes, and layers.
const SKIPPED = /^(class|def|import|from|super|return)$/;
const readCode = (text, slips) => {
  const found = [];
  const env = {};
  for (const tokens of statements(text.replace(/^[ \t]*(>>>|\.\.\.) /gm, "").replace(/^\s*def forward[^]*/m, ""))) {
    if (tokens[1]?.text === "__init__" && !tokens.unclosed) readDefaults(tokens, env);
    if (SKIPPED.test(tokens[0].text)) continue;
    try {
      const target = tokens[1]?.text === "=" ? tokens[0].text : null;
      const bare = target === null && !tokens.some(({ text: one }) => /^(torch\.)?nn\./.test(one));
      const rest = Object.assign(target === null ? tokens : tokens.slice(2), { unclosed: tokens.unclosed });
      const value = compile(rest, bare)(env);
      if (target !== null) env[target] = value;
      if (value?.children && (target === null || target.startsWith("self.") || !target.includes("."))) {
        found.push([target?.startsWith("self.") ? target.slice(5) : "", value, target]);
      } else if (target === null) throw new Slip(tokens[0].line, "this is no layer: {value}", { value: literal(value) });
    } catch (slip) {
      slips.push(slip instanceof Slip ? slip.message : new Slip(tokens[0].line, "this is too much, or no numbers").message);
    }
  }
  return found;
};

const read = (text) => {
  const slips = [];
  let tops = [];
  const found = [];
  try {
    tops = (PRINTED.test(text) ? readPrint : readCode)(text, slips);
    // A module that another one is made of is not there twice.
    const used = new Set(tops.flatMap(([, node]) => Object.values(node.values ?? {}).concat(node.children.map(([, child]) => child))));
    for (const [prefix, node, target] of tops) {
      if (target && !prefix && used.has(node)) continue;
      try {
        found.push(...groups(node, prefix && `${prefix}.`));
      } catch (slip) {
        if (!(slip instanceof Slip)) throw slip;
        slips.push(slip.message);
      }
    }
  } catch {
    slips.push(say("This is too much, or no numbers."));
  }
  return { found, slips };
};

// ---- What the page shows ----

const make = (name, className, ...inside) => {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...inside);
  return element;
};

const shaped = (axes) => {
  const parts = axes.map(([text, name, label]) => {
    const inside = label ? [`${text} `, make("sub", "", label)] : [text];
    const hue = own(hues, label || name) ? hues[label || name] : "";
    return make("span", hue && `axis ${hue}`, ...inside);
  });
  const between = parts.flatMap((part, i) => (i ? [", ", part] : [part]));
  return make("code", "shape", "(", ...between, parts.length === 1 ? ",)" : ")");
};

// The trees of the axes that the registry tells; none of an array that was given.
const axesOf = ({ axes }) => (axes?.[0] === "tuple" ? axes.slice(1) : []);

// label() of docs/extensions/tables.py
const labelOf = (axis) => {
  if (typeof axis === "string") return labels[axis] ?? axis;
  if (!Array.isArray(axis)) return "";
  const [operation, first, second] = axis;
  if (operation === "spread" || (operation === "//" && second === "groups")) return labelOf(first);
  if (operation === "*" && typeof first === "number") return labelOf(second);
  return labels[namesIn(axis).find((name) => name === "cutoffs" || name === "div_value")] ?? "";
};

// labelled() of docs/extensions/tables.py
const labelled = (row) => {
  const { shape, stacked: blocks = [] } = row;
  const axes = axesOf(row);
  while (axes.length && axes.length < shape.length) axes.push(axes.at(-1));
  return shape.map((size, i) => [`${size}`, "", blocks.length && !i ? (stacked[blocks] ?? "gates") : labelOf(axes[i])]);
};

const count = (shape) => shape.reduce((a, b) => a * b, 1);
const grouped = (n) => n.toLocaleString("en");

// A long name may break behind a dot or an underscore, or it pushes the shape off a phone.
const breakable = (name) => name.split(/(?<=[._])/).flatMap((part, i) => (i ? [make("wbr"), part] : [part]));

const rowOf = (row) => {
  const { name, shape, kind, stacked: blocks = [] } = row;
  const head = make("th", "", make("code", "", ...breakable(name)), ...(kind === "buffer" ? [` (${say("buffer")})`] : []));
  head.scope = "row";
  const cell = make("td", "", shaped(labelled(row)));
  const axes = axesOf(row);
  if (axes.length) cell.append(make("br"), `${say("in general")} `, shaped(axes.map((axis) => [written(axis), namesIn(axis)[0], ""])));
  const said = make("td", "", say(row.row));
  if (blocks.length) said.append(make("br"), say("from the top: {blocks}", { blocks: blocks.join(",\u00a0") }));
  return make("tr", "", head, cell, make("td", "", grouped(count(shape))), said);
};

const bodyOf = ({ type, prefix, line: used, untold, rows }) => {
  const name = `nn.${type}`;
  const title = make("code", "", name);
  const link = pages.has(name) ? Object.assign(make("a", "", title), { href: pages.get(name) }) : title;
  const told = make("div", "", link, ...(prefix ? [" ", make("code", "", prefix)] : []));
  if (used) told.append(make("br"), make("code", "", used));
  if (untold.length) told.append(make("br"), make("small", "", say("print() leaves out {names}", { names: untold.join(", ") })));
  const head = Object.assign(make("th", "", told), { colSpan: 4, scope: "rowgroup" });
  return make("tbody", "", make("tr", "module", head), ...rows.map(rowOf));
};

const show = () => {
  const { found, slips } = read(box.value);
  const rows = found.flatMap((group) => group.rows);
  const parameters = rows.filter(({ kind }) => kind !== "buffer");
  const buffers = rows.filter(({ kind }) => kind === "buffer");
  const numbers = (some) => grouped(some.reduce((total, { shape }) => total + count(shape), 0));
  const told = [];
  if (rows.length) told.push(say("{numbers} parameters in {tensors} tensors.", { numbers: numbers(parameters), tensors: parameters.length }));
  if (buffers.length) told.push(say("{numbers} numbers in {tensors} buffers.", { numbers: numbers(buffers), tensors: buffers.length }));
  if (slips.length) told.push(say("Not all was understood:"));
  result.querySelector("output").textContent = told.join(" ");
  result.querySelector("ul").replaceChildren(...slips.map((slip) => make("li", "", slip)));
  for (const body of [...table.tBodies]) body.remove();
  table.append(...found.map(bodyOf));
  table.hidden = !found.length;
};

const shared = () => {
  try {
    const text = decodeURIComponent(location.hash.slice(1));
    if (text && !document.getElementById(text)) box.value = text;
  } catch {} // not one of ours
  show();
};

box.addEventListener("input", () => {
  show();
  try {
    history.replaceState(null, "", box.value ? `#${encodeURIComponent(box.value)}` : location.pathname + location.search);
  } catch {} // Safari allows a hundred in half a minute
});
form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", shared);
shared();
