// What pasted code makes: its statements, run on values of which some are not known.
const LIMIT = 1e6; // steps, a second at most

const readCode = (source, slips) => {
  const text = dedented(source);
  const { body, lineOf } = treeOf(text);
  const said = new Map(); // what is said: [text, values, lines]
  const tell = (line, message, values) => {
    const key = message + JSON.stringify(values);
    const [, , lines] = said.get(key) ?? said.set(key, [message, values, []]).get(key);
    if (!lines.includes(line)) lines.push(line);
  };
  const NAME = "{name} is a name. Write its value in its place, or above in a line of its own";
  const tellUnknown = ({ text: name, at, said: message }) => message !== null && tell(at, message || NAME, { name });
  const attempt = (step) => {
    try {
      return step();
    } catch (error) {
      if (!(error instanceof Said)) throw error;
      tell(error.line, error.text, error.values);
      return new Unknown("", error.line, { said: null, made: true });
    }
  };
  // A statement, or a class that is made: what goes wrong in it leaves the others.
  const piece = ({ line, text: part }, step) => {
    try {
      return step();
    } catch (error) {
      if (error instanceof RangeError) tell(line, "this is too much, or no numbers", {});
      else {
        console.error(error); // of a text that nobody foresaw
        tell(line, "not understood: {text}", { text: part.split("\n")[0].slice(0, 60) });
      }
      limit = Math.min(steps + LIMIT, 3 * LIMIT);
      return null;
    }
  };

  // ---- Expressions ----

  let steps = 0;
  let limit = LIMIT;
  const step = () => {
    if (++steps > limit) throw new RangeError();
  };
  const globals = { vars: new Map(), parent: null };
  const find = (env, name) => {
    for (let scope = env; scope; scope = scope.parent) if (scope.vars.has(name)) return scope;
    return null;
  };
  const usesNn = /\bnn\./.test(text);
  const nameOf = (node, env) => {
    const name = node.text;
    if (own(CONSTANTS, name)) return CONSTANTS[name];
    const scope = find(env, name);
    if (scope) return scope.vars.get(name);
    if (own(SPACES, name)) return new Space(SPACES[name]);
    if (own(BUILTINS, name)) return BUILTINS[name];
    if (name === "self") return topSelf();
    if (classes.has(name) && !usesNn) return new Torch(name);
    const value = unknown(node);
    value.free = true;
    globals.vars.set(name, value); // model.fc = ..., of a model that is made elsewhere
    return value;
  };
  const topSelf = () => {
    if (!globals.vars.has("self")) globals.vars.set("self", new Made("", 1));
    return globals.vars.get("self");
  };

  const evaluateAll = (kids, env) => {
    const items = [];
    let open = null;
    for (const part of split(kids)) {
      if (part[0].kind === "*") {
        const all = itemsOf(evaluateNode(part[1], env), part[1]);
        if (!open && all.items) items.push(...all.items);
        open ??= all instanceof Unknown ? all : all.open;
      } else {
        const one = evaluateNode(part[0], env);
        if (!open) items.push(one); // behind what is not known, nobody knows the place
      }
    }
    const list = new List(items);
    list.open = open;
    return list;
  };

  const evaluateNode = (node, env) => {
    step();
    const handle = EXPRESSIONS[node.kind];
    return handle ? handle(node, env, node.kids) : unknown(node);
  };
  const EXPRESSIONS = {
    Number: ({ text: digits }) => (/^0[xob]/i.test(digits) ? Number(digits.replaceAll("_", "")) : parseFloat(digits.replaceAll("_", ""))),
    Boolean: (node) => node.text === "True",
    None: () => null,
    String: (node) => stringOf(node.text),
    ContinuedString: (node, env, kids) => {
      const parts = kids.map((kid) => evaluateNode(kid, env));
      return unknownIn(parts) ?? parts.join("");
    },
    FormatString: (node, env, kids) => {
      let made = "";
      let end = node.from + node.text.search(/["']/) + (/^\w*("""|''')/.test(node.text) ? 3 : 1);
      for (const kid of kids) {
        const value = evaluateNode(kid.kids[1], env);
        if (value instanceof Unknown) return value;
        if (kid.kids.length > 3) return unknown(node);
        made += text.slice(end, kid.from) + textOf(value);
        end = kid.from + kid.text.length;
      }
      return made + text.slice(end, node.from + node.text.length).replace(/("""|'''|["'])$/, "");
    },
    VariableName: nameOf,
    ParenthesizedExpression: (node, env, kids) => evaluateNode(kids[1], env),
    NamedExpression: (node, env, kids) => assign(kids[0], evaluateNode(kids[2], env), env),
    TupleExpression: (node, env, kids) => Object.assign(evaluateAll(kids.slice(1, -1), env), { tuple: true }),
    ArrayExpression: (node, env, kids) => evaluateAll(kids.slice(1, -1), env),
    SetExpression: (node, env, kids) => FUNCTIONS.set([evaluateAll(kids.slice(1, -1), env)], new Map(), null, node),
    DictionaryExpression: (node, env, kids) => {
      const made = new Dict();
      for (const part of split(kids.slice(1, -1))) {
        if (part[0].kind === "**") {
          const value = evaluateNode(part[1], env);
          if (value instanceof Dict) for (const [key, one] of value.map) made.map.set(key, one);
          else made.open = value instanceof Unknown ? value : unknown(part[1]);
        } else made.map.set(comparable(evaluateNode(part[0], env)), evaluateNode(part[2], env));
      }
      return made;
    },
    UnaryExpression: (node, env, [op, of]) => {
      const value = evaluateNode(of, env);
      if (op.kind === "not") {
        const held = truth(value);
        return typeof held === "boolean" ? !held : held;
      }
      if (value instanceof Unknown || value instanceof Tensor) return value;
      return op.text === "-" ? -value : op.text === "+" ? value : op.text === "~" ? ~value : unknown(node);
    },
    BinaryExpression: (node, env, kids) => {
      const op = operator(node);
      if (op === "and" || op === "or") {
        const left = evaluateNode(kids[0], env);
        const held = truth(left);
        if (typeof held !== "boolean") {
          const right = evaluateNode(kids[2], env);
          return truth(right) === (op === "or") && typeof right === "boolean" ? right : left instanceof Unknown ? left : unknown(node);
        }
        return held === (op === "or") ? left : evaluateNode(kids[2], env);
      }
      const all = chain(node);
      if (all.length < 3) return binary(op, evaluateNode(kids[0], env), evaluateNode(kids.at(-1), env), node);
      let left = evaluateNode(all[0], env);
      for (const link of all.slice(1)) {
        const right = evaluateNode(link.kids.at(-1), env);
        const held = binary(operator(link), left, right, link);
        if (held !== true) return held;
        left = right;
      }
      return true;
    },
    ConditionalExpression: (node, env, [value, , condition, , other]) => {
      const test = evaluateNode(condition, env);
      const held = truth(test);
      if (typeof held === "boolean") return evaluateNode(held ? value : other, env);
      const [[a, one], [b, two]] = [value, other].map((way) => tried(() => evaluateNode(way, env)));
      const cause = test instanceof Unknown ? test : unknown(condition);
      merge(one, two, cause);
      return either(a, b, cause);
    },
    LambdaExpression: (node, env, kids) => {
      const colon = kids.findIndex(({ kind }) => kind === ":");
      const params = kids.find(({ kind }) => kind === "ParamList");
      return new Func("lambda", params, kids[colon + 1], env, true);
    },
    ArrayComprehensionExpression: (node, env, kids) => comprehension(kids.slice(1, -1), env),
    ComprehensionExpression: (node, env, kids) => comprehension(kids.slice(1, -1), env),
    SetComprehensionExpression: (node, env, kids) => FUNCTIONS.set([comprehension(kids.slice(1, -1), env)], new Map(), null, node),
    DictionaryComprehensionExpression: (node, env, kids) => {
      const pairs = comprehension([{ kind: "Pair", kids: [kids[1], kids[3]], line: node.line, text: node.text }, ...kids.slice(4, -1)], env);
      return pairs instanceof Unknown ? pairs : Object.assign(new Dict(new Map(pairs.items.map(({ items: [key, value] }) => [key, value]))), { open: pairs.open });
    },
    Pair: (node, env, kids) => new List(kids.map((kid) => evaluateNode(kid, env))),
    MemberExpression: (node, env, kids) => {
      const value = evaluateNode(kids[0], env);
      if (kids[1].kind === ".") return attribute(value, kids[2]?.text ?? "", node);
      return subscript(value, kids.slice(2, -1), node, env);
    },
    CallExpression: (node, env, kids) => {
      const callee = kids[0];
      if (callee.text === "super") return superOf(env, node);
      const [given, named, open] = argumentsIn(kids[1], env);
      if (callee.kind === "MemberExpression" && callee.kids[1].kind === ".") {
        const value = evaluateNode(callee.kids[0], env);
        return attempt(() => method(value, callee.kids[2]?.text ?? "", given, named, open, node));
      }
      return attempt(() => call(evaluateNode(callee, env), given, named, open, node));
    },
  };

  const comprehension = (kids, env) => {
    const [value, ...rest] = kids;
    const clauses = [];
    for (let i = 0; i < rest.length; ) {
      const end = rest.findIndex((kid, j) => j > i && /^(for|if|async)$/.test(kid.kind));
      clauses.push(rest.slice(i, end < 0 ? rest.length : end));
      i = end < 0 ? rest.length : end;
    }
    const items = [];
    let open = null;
    const walk = (i, scope) => {
      if (i === clauses.length) {
        items.push(evaluateNode(value, scope));
        if (items.length > MOST) throw new RangeError();
        return;
      }
      const [{ kind }, ...clause] = clauses[i];
      if (kind === "if") {
        const test = evaluateNode(clause[0], scope);
        const held = truth(test);
        if (typeof held !== "boolean") open ??= test;
        else if (held) walk(i + 1, scope);
        return;
      }
      const at = clause.findIndex((kid) => kid.kind === "in");
      const targets = split(clause.slice(0, at)).map(([target]) => target);
      const all = itemsOf(evaluateNode(clause[at + 1], scope), clause[at + 1]);
      const each = (one) => {
        const inner = { vars: new Map(), parent: scope };
        unpack(targets, one, inner);
        walk(i + 1, inner);
      };
      const cause = all instanceof Unknown ? all : all.open;
      for (const one of all.items ?? []) each(one);
      if (cause) {
        // Whether modules are made, one of them tells.
        const before = items.length;
        tried(() => each(unknown(clause[at + 1])));
        const made = items.splice(before).some((one) => isModule(one) || (one instanceof Unknown && one.made));
        open ??= new Unknown(cause.text, cause.at, { said: cause.said, made });
      }
    };
    walk(0, { vars: new Map(), parent: env });
    return Object.assign(new List(items), { open });
  };

  const argumentsIn = (list, env) => {
    const given = [];
    const named = new Map();
    let open = null;
    const inner = list.kids.slice(1, -1);
    if (inner.some(({ kind }) => kind === "for")) return [[comprehension(inner, env)], named, null];
    for (const part of split(inner)) {
      const value = () => evaluateNode(part.at(-1), env);
      if (part[0].kind === "*") {
        const all = itemsOf(value(), part[1]);
        if (!open && all.items) given.push(...all.items);
        open ??= all instanceof Unknown ? all : all.open;
      } else if (part[0].kind === "**") {
        const all = value();
        if (all instanceof Dict) for (const [key, one] of all.map) named.set(key, one);
        if (!(all instanceof Dict) || all.open) open ??= all instanceof Unknown ? all : (all.open ?? unknown(part[1]));
      } else if (part[1]?.kind === "AssignOp") named.set(part[0].text, value());
      else {
        const one = value();
        if (!open) given.push(one);
      }
    }
    return [given, named, open];
  };

  // ---- Attributes ----

  const attribute = (value, name, node) => {
    if (value instanceof Unknown) {
      if (!value.attrs.has(name)) value.attrs.set(name, new Unknown(value.said === null ? node.text : `${value.text}.${name}`, node.line, { said: value.said }));
      return value.attrs.get(name);
    }
    if (value instanceof Space) return memberOf(value.name, name, node);
    if (isModule(value)) {
      if (value.attrs.has(name)) return value.attrs.get(name);
      const found = value.kind ? inherited(lineage(value.kind), name) : undefined;
      if (found instanceof Func) {
        if (found.role === "property") return invoke(found, [value], new Map(), node);
        return found.role === "static" ? found : (given, named, open, at) => invoke(found, [value, ...given], named, at, open);
      }
      if (found !== undefined) return found;
      if (own(value.lost, name)) return value.lost[name];
      const { order, arguments: standard } = classes.get(value.type) ?? {};
      if (order?.includes(name)) return fromPlain(value.values[name] ?? standard?.[name] ?? null);
      const tensor = stores(value.type) && !Object.keys(value.lost).length && held(value.type, value.values).find((one) => one.name === name);
      if (tensor) return new Tensor(tensor.shape);
      if (name === "__class__") return value.kind ?? new Torch(value.type);
      if (!value.absent.has(name)) value.absent.set(name, unknown(node)); // self.net.fc = ..., of a net made elsewhere
      return value.absent.get(name);
    }
    if (value instanceof Tensor) {
      if (name === "shape") return new List(value.shape, true);
      if (name === "T") return new Tensor(value.shape.toReversed());
      if (name === "data") return value;
      if (name === "ndim") return value.shape.length;
    }
    if (value instanceof Kind) {
      const found = name === "__name__" ? value.name : inherited(lineage(value), name);
      return found ?? unknown(node);
    }
    if (value instanceof Torch && name === "__name__") return value.type;
    return unknown(node);
  };
  const fromPlain = (value) => (Array.isArray(value) ? new List(value.map(fromPlain), true) : value?.children || value?.text ? new Unknown(literal(value), 1) : value);
  const memberOf = (space, name, node) => {
    const full = `${space}.${name}`;
    if (space === "nn" || /^nn\.modules/.test(space)) {
      if (classes.has(name)) return new Torch(name);
      if (name === "Parameter" || name === "parameter") return name === "Parameter" ? BUILTINS.Parameter : new Space("nn");
      if (/^(init|utils|functional|modules|quantized|qat|parallel)$/.test(name) || /^nn\.modules/.test(full)) return new Space(name === "functional" ? "F" : full);
      if (space.startsWith("nn.modules")) return new Space("nn");
      return unknown(node, { said: NO_CLASS, made: true });
    }
    if (full === "torch.nn") return new Space("nn");
    if (full === "torch.Size") return BUILTINS.tuple;
    if (space === "torch" && own(MAKES, name)) return tensorMaker(name);
    if (space === "torch" && /^(zeros|ones|empty|rand|randn|full)_like$/.test(name)) return ([like]) => (like instanceof Tensor ? new Tensor(like.shape) : like instanceof Unknown ? like : unknown(node));
    if (space === "torch" && own(BUILTINS, `torch_${name}`)) return BUILTINS[`torch_${name}`];
    if (space === "math" || space === "np") return own(MATH, name) ? MATH[name] : unknown(node);
    if (full === "functools.partial") return BUILTINS.partial;
    if (full === "itertools.product") return BUILTINS.product;
    if (full === "itertools.chain") return BUILTINS.chain;
    if (full === "collections.OrderedDict") return BUILTINS.OrderedDict;
    if (full === "copy.deepcopy" || full === "copy.copy") return BUILTINS.deepcopy;
    if (space === "F" || space.startsWith("nn.init") || space === "torch") return Object.assign(unknown(node), { function: true });
    return unknown(node);
  };
  const tensorMaker = (name) => (given, named, open, node) => {
    const sizes = open ?? unknownIn(given);
    if (sizes && !(given[0] instanceof Unknown) && name === "full") return new Tensor(flatSizes(given.slice(0, 1)));
    if (sizes && given.every((one) => !(one instanceof List)) && !/^(zeros|ones|empty|rand|randn|Tensor)$/.test(name)) return sizes;
    const shape = MAKES[name](given, Object.fromEntries(named));
    return new Tensor(open ? [open] : shape.map((size) => (typeof size === "number" || size instanceof Unknown ? size : unknown(node))));
  };

  const subscript = (value, inner, node, env) => {
    if (value instanceof Unknown) {
      const key = `[${inner.map(({ text: one }) => one).join("")}]`;
      if (!value.attrs.has(key)) value.attrs.set(key, new Unknown(`${value.text}${key}`, node.line, { said: value.said }));
      return value.attrs.get(key);
    }
    if (value instanceof Kind || value instanceof Torch) return value; // Generic[T]
    const list = isModule(value) && CONTAINERS.test(value.type) ? [...value.attrs.values()] : value instanceof List ? value.items : typeof value === "string" ? [...value] : null;
    const open = value?.open ?? null;
    if (inner.some(({ kind }) => kind === ":")) {
      if (!list) return unknown(node);
      const ends = [[]];
      for (const kid of inner) kid.kind === ":" ? ends.push([]) : ends.at(-1).push(kid);
      const [from, to, by] = ends.map(([kid]) => (kid ? evaluateNode(kid, env) : undefined));
      const lost = unknownIn([from, to, by]) ?? (open && (to === undefined || to < 0 || from < 0) ? open : null);
      if (lost) return lost;
      let part = by < 0 ? list.toReversed() : list.slice(from ?? 0, to ?? list.length);
      if (Math.abs(by ?? 1) > 1) part = part.filter((_, i) => i % Math.abs(by) === 0);
      if (typeof value === "string") return part.join("");
      return isModule(value) ? containerOf(value.type, part.map((one, i) => [`${i}`, one]), node.line) : new List(part, value.tuple);
    }
    const key = evaluateNode(inner[0], env);
    if (key instanceof Unknown) return isModule(value) || list?.some(isModule) ? new Unknown(key.text, key.at, { said: key.said, made: true }) : key;
    if (value instanceof Dict || (isModule(value) && value.type === "ModuleDict")) {
      const map = value.map ?? value.attrs;
      return map.has(comparable(key)) ? map.get(comparable(key)) : unknown(node);
    }
    if (value instanceof Tensor) return value.shape.length ? new Tensor(inner.length > 1 ? [unknown(node)] : value.shape.slice(1)) : unknown(node);
    if (!list || typeof key !== "number" || (key < 0 && open)) return unknown(node);
    return list.at(key) ?? (list.length > modulo(key, list.length || 1) && list.at(key) === null ? null : unknown(node));
  };

  // ---- Calls ----

  const call = (callee, given, named, open, node) => {
    if (typeof callee === "function") return callee(given, named, open, node);
    if (callee instanceof Torch) return layerOf(callee.type, given, named, open, node);
    if (callee instanceof Kind) return construct(callee, given, named, open, node);
    if (callee instanceof Func) return invoke(callee, given, named, node, open);
    if (isModule(callee)) return unknown(node);
    if (!(callee instanceof Unknown)) return unknown(node);
    if (callee.function) return Object.assign(unknown(node), { said: "" });
    const name = node.kids[0].text;
    const last = name.split(".").at(-1);
    if (EMPTY.test(last)) return new Made("", node.line);
    if (/(Config|Args|Arguments|Namespace|Params|AttrDict|EasyDict)$/.test(last)) return unknown(node, { attrs: new Map(named) });
    if (callee.said === null) return callee;
    const isClass = /^_*[A-Z]/.test(last);
    const direct = node.kids[0].kind === "VariableName" && callee.free;
    return unknown(node, { said: direct || callee.said === NO_CLASS || isClass ? NO_CLASS : callee.said, made: isClass || callee.made });
  };

  // module.append(...), list.append(...), text.lower(), tensor.view(...)
  const method = (value, name, given, named, open, node) => {
    if (value instanceof Super) return superMethod(value, name, given, named, open, node);
    if (isModule(value)) {
      const found = attribute(value, name, node);
      if (!(found instanceof Unknown)) return call(found, given, named, open, node);
      if (own(MODULE_METHODS, name)) return MODULE_METHODS[name](value, given, named, node, open);
      if (/^(to|cuda|cpu|eval|train|float|double|half|bfloat16|requires_grad_|apply|type|share_memory|to_empty|compile)$/.test(name)) return value;
      const missing = value.kind && lineage(value.kind).find((one) => one instanceof Unknown);
      if (value.kind && !missing && /^_?(make|build|create|add|setup)/.test(name)) tell(node.line, NO_CLASS, { name: `self.${name}` });
      return unknown(node);
    }
    if (value instanceof Tensor) {
      if (name === "size" || name === "dim" || name === "numel") {
        if (name === "dim") return value.shape.length;
        if (name === "numel") return unknownIn(value.shape) ?? value.shape.reduce((a, b) => a * b, 1);
        return given.length ? (value.shape.at(given[0]) ?? unknown(node)) : new List(value.shape, true);
      }
      if (name === "tolist") return new List(itemsOf(value, node).items ?? []);
      return methodOf(value, name, given) ?? unknown(node);
    }
    if (value instanceof List && own(LIST_METHODS, name)) return LIST_METHODS[name](value, given, node) ?? null;
    if (value instanceof Dict && own(DICT_METHODS, name)) return DICT_METHODS[name](value, given, named, node) ?? null;
    if ((value instanceof List && !value.tuple) || value instanceof Dict) upset(value, node);
    if (typeof value === "string") {
      if (name === "join") {
        const all = itemsOf(given[0], node);
        return all instanceof Unknown || unknownIn(all.items) ? unknown(node) : all.items.join(value);
      }
      if (name === "format") return unknownIn(given) ?? given.reduce((made, one) => made.replace(/\{\d*\}/, () => textOf(one)), value);
      const known = own(STRING_METHODS, name) && given.length < STRING_METHODS[name].length;
      if (known) return unknownIn(given) ?? STRING_METHODS[name](value, ...given);
    }
    if (value instanceof Torch && name === "__init__" && isModule(given[0])) return begin(given[0], value.type, given.slice(1), named, open, node);
    if (value instanceof Kind && name === "__init__" && isModule(given[0])) {
      const found = inherited(lineage(value), name);
      return found ? invoke(found, given, named, node, open) : null;
    }
    if (value instanceof Kind) {
      const found = inherited(lineage(value), name);
      if (found instanceof Func) return invoke(found, found.role === "class" ? [value, ...given] : given, named, node, open);
    }
    return call(attribute(value, name, node), given, named, open, node);
  };
  const MODULE_METHODS = {
    append: (made, [one]) => (write(made.attrs, `${made.attrs.size}`, asModule(one)), made),
    extend: (made, [more], named, node) => {
      const all = itemsOf(more, node);
      for (const one of all.items ?? []) write(made.attrs, `${made.attrs.size}`, asModule(one));
      if (all instanceof Unknown || all.open) write(made, "open", all.open ?? all);
      return made;
    },
    insert: (made, [i, one]) => {
      const all = [...made.attrs.values()].toSpliced(i, 0, one);
      all.forEach((item, j) => write(made.attrs, `${j}`, item));
      return made;
    },
    add_module: (made, [key, one], named, node) => setKey(made, named.get("name") ?? key, asModule(named.get("module") ?? one), node),
    register_module: (made, given, named, node) => MODULE_METHODS.add_module(made, given, named, node),
    register_parameter: (made, [key, one], named, node) => setKey(made, named.get("name") ?? key, named.get("param") ?? one, node),
    register_buffer: (made, [key, one, persistent = true], named, node) => {
      const value = named.get("tensor") ?? one;
      if ((named.get("persistent") ?? persistent) === false) return setKey(made, named.get("name") ?? key, null, node);
      const kept = value instanceof Tensor ? new Tensor(value.shape, { kept: "buffer" }) : value instanceof Unknown ? shapeless(value, node) : value;
      return setKey(made, named.get("name") ?? key, kept, node);
    },
    update: (made, [more]) => (more instanceof Dict && [...more.map].forEach(([key, one]) => write(made.attrs, key, one)), null),
    keys: (made) => new List([...made.attrs.keys()]),
    values: (made) => new List([...made.attrs.values()]),
    items: (made) => new List([...made.attrs].map((pair) => new List(pair, true))),
    children: (made) => new List([...made.attrs.values()].filter(isModule)),
  };
  const asModule = (value) => (value instanceof Unknown ? new Unknown(value.text, value.at, { said: value.said, made: true, attrs: value.attrs }) : value);
  const setKey = (made, key, value, node) => {
    if (key instanceof Unknown) tell(node.line, key.said || NAME, { name: key.text });
    else write(made.attrs, key, value);
    return null;
  };

  const plain = (value) => {
    if (value instanceof List) return value.items.map(plain);
    if (value instanceof Dict) return [...value.map].map(([key, one]) => [key, plain(one)]);
    if (isModule(value)) return frozen(value, false);
    if (value instanceof Tensor) return { shape: value.shape };
    if (value instanceof Torch) return new Name(value.type);
    return typeof value === "function" || value instanceof Func || value instanceof Kind ? new Name("...") : value;
  };
  const containerOf = (type, pairs, line) => {
    const made = new Made(type, line);
    for (const [key, one] of pairs) made.attrs.set(key, one);
    return made;
  };
  const layerOf = (type, given, named, open, node) => {
    const made = new Made(type, node.line);
    begin(made, type, given, named, open, node);
    return made;
  };
  // What super().__init__(...) of a class made of torch's does to it.
  const begin = (made, type, given, named, open, node) => {
    const { line } = node;
    made.type = type;
    if (CONTAINERS.test(type)) {
      let items = type === "Sequential" && !(given[0] instanceof Dict) ? given : (given[0] ?? [...named.values()][0] ?? []);
      if (items instanceof Dict) {
        write(made, "open", open ?? items.open);
        items = [...items.map].map((pair) => new List(pair));
      }
      let lost = open ?? made.open;
      if (!Array.isArray(items)) {
        const all = itemsOf(items, node);
        if (all instanceof Unknown) lost ??= all;
        else lost ??= all.open;
        items = all.items ?? [];
      }
      // ModuleDict and OrderedDict take pairs, too.
      const pairs = items.map((one, i) => (one instanceof List && one.items.length === 2 && !type.endsWith("List") ? one.items : [`${i}`, one]));
      for (const [key, one] of pairs) {
        const value = type.startsWith("Parameter") && one instanceof Tensor ? new Tensor(one.shape, { kept: "parameter" }) : one;
        if (!isModule(value) && !(value instanceof Unknown) && !(value instanceof Tensor) && value !== null) throw new Said(line, "{type} takes modules, not {value}", { type, value: literal(plain(value)) });
        write(made.attrs, key, asModule(value));
      }
      if (lost) write(made, "open", lost);
      return null;
    }
    const { order = [], other = [] } = classes.get(type);
    const lost = {};
    const sort = (key, value) => {
      if (value instanceof Unknown && !other.includes(key) && key !== "device" && key !== "dtype") lost[key] = value;
      if (value instanceof Unknown) return value.function ? new Name(value.text) : { text: value.text };
      return plain(value);
    };
    const all = given.map((value, i) => sort(order[i], value));
    const pairs = [...named].map(([key, value]) => [key, sort(key, value)]);
    if (open) for (const key of order.slice(given.length)) if (!named.has(key) && !other.includes(key)) lost[key] = open;
    const guess = Object.keys(lost).filter((key) => !pairs.some(([one]) => one === key) && order.indexOf(key) >= given.length);
    try {
      made.values = bound(type, all, [...pairs, ...guess.map((key) => [key, { text: lost[key].text }])], line);
    } catch (slip) {
      throw slip.said ? new Said(line, ...slip.said) : slip;
    }
    made.lost = lost;
    return null;
  };

  const making = []; // the classes that are being made, the outermost first
  const construct = (kind, given, named, open, node) => {
    for (const one of lineage(kind)) one.used = true; // a base class of it is not made alone, too
    if (making.filter((one) => one === kind).length > (journal ? 0 : 6)) return unknown(node, { said: "how often {name} is made in itself is not known here", made: true });
    making.push(kind);
    try {
      const made = new Made("", node.line, kind);
      const all = lineage(kind);
      const init = inherited(all, "__init__");
      if (init instanceof Unknown) return asModule(init);
      if (kind.fields) {
        const order = [...kind.fields.keys()];
        for (const [key, value] of [...kind.fields, ...given.map((value, i) => [order[i], value]), ...named]) made.attrs.set(key, value);
        return made;
      }
      if (init) invoke(init, [made, ...given], named, node, open);
      else {
        const torch = all.find((one) => one instanceof Torch && one.type !== "Module");
        if (torch) begin(made, torch.type, given, named, open, node);
      }
      if (init && !made.type) {
        const torch = all.find((one) => one instanceof Torch && stores(one.type));
        if (torch) made.attrs.set(" ", new Unknown(torch.type, kind.line, { said: "the arguments of its base {name} are not known here", made: true }));
      }
      return made;
    } finally {
      making.pop();
    }
  };

  const superOf = (env, node) => {
    const scope = find(env, " owner");
    const self = scope?.vars.get(" self");
    if (!isModule(self) || !self.kind) return unknown(node);
    const all = lineage(self.kind);
    return new Super(self, all.slice(all.indexOf(scope.vars.get(" owner")) + 1));
  };
  const superMethod = ({ self, after }, name, given, named, open, node) => {
    const found = inherited(after, name);
    const torch = after.find((one) => one instanceof Torch && one.type !== "Module");
    if (found instanceof Func && (!torch || after.indexOf(torch) > after.findIndex((one) => one instanceof Kind && one.vars.has(name)))) return invoke(found, [self, ...given], named, node, open);
    if (name === "__init__") return torch ? begin(self, torch.type, given, named, open, node) : null;
    return own(MODULE_METHODS, name) ? MODULE_METHODS[name](self, given, named, node, open) : unknown(node);
  };

  const calling = []; // the functions that run, the outermost first
  const invoke = (func, given, named, node, open = null) => {
    func.used = true;
    // In a branch that nobody knows it would call itself for ever.
    if (calling.filter((one) => one === func).length > (journal ? 0 : 40)) return unknown(node);
    calling.push(func);
    const env = { vars: new Map(), parent: func.env };
    const left = new Map(named);
    const rest = [...given];
    for (const { name, star, value } of parametersOf(func.params)) {
      if (star === "*") env.vars.set(name, Object.assign(new List(rest.splice(0), true), { open }));
      else if (star === "**") env.vars.set(name, Object.assign(new Dict(new Map(left)), { open }));
      else if (rest.length) env.vars.set(name, rest.shift());
      else if (left.has(name)) {
        env.vars.set(name, left.get(name));
        left.delete(name);
      } else if (open) env.vars.set(name, open);
      else env.vars.set(name, value ? evaluateNode(value, func.env) : new Unknown(name, node.line));
    }
    if (func.owner) {
      env.vars.set(" owner", func.owner);
      env.vars.set(" self", given[0]);
    }
    try {
      if (func.lambda) return evaluateNode(func.body, env);
      const done = run(statementsOf(func.body), env);
      return done?.kind === "return" ? done.value : null;
    } finally {
      calling.pop();
    }
  };

  // ---- Functions that ask the program ----

  // Whether a value is of a type; null where that is not known.
  const isA = (value, type) => {
    if (TYPES.has(type)) return TYPES.get(type)(value);
    if (type instanceof Torch) return isModule(value) && (value.type === type.type || type.type === "Module");
    if (type instanceof Kind) return isModule(value) && Boolean(value.kind) && lineage(value.kind).includes(type);
    const name = type instanceof Unknown ? type.text : "";
    if (/^numbers\.(Integral|Number)$/.test(name)) return Number.isInteger(value);
    if (/Iterable|Sequence/.test(name)) return value instanceof List;
    const open = isModule(value) || typeof type === "function" || /list|tuple|ListConfig/.test(name);
    return open || (value !== null && typeof value === "object") ? null : false;
  };
  const BUILTINS = {
    ...FUNCTIONS,
    isinstance: ([value, type], named, open, node) => {
      if (value instanceof Unknown) return value;
      const all = (type instanceof List ? type.items : [type]).map((one) => isA(value, one));
      return all.includes(true) ? true : all.includes(null) ? unknown(node) : false;
    },
    getattr: ([value, name, other], named, open, node) => {
      if (name instanceof Unknown) return value instanceof Space ? Object.assign(new Unknown(name.text, name.at, { said: name.said, made: value.name === "nn" }), { function: value.name === "F" }) : name;
      const found = attribute(value, name, node);
      return found instanceof Unknown && other !== undefined && isModule(value) ? other : found;
    },
    setattr: ([made, name, value], named, open, node) => (isModule(made) ? setKey(made, name, value, node) : null),
    hasattr: ([value, name], named, open, node) => (isModule(value) && value.attrs.has(name) ? true : unknown(node)),
    map: ([f, values], named, open, node) => {
      const all = itemsOf(values, node);
      return all instanceof Unknown ? all : Object.assign(new List(all.items.map((one) => call(f, [one], new Map(), null, node))), { open: all.open });
    },
    partial: ([callee, ...first], named) => (given, more, open, node) => call(callee, [...first, ...given], new Map([...named, ...more]), open, node),
  };

  // ---- Statements ----

  const unpack = (targets, value, env) => {
    if (targets.length === 1 && !/^(Tuple|Array)Expression$/.test(targets[0].kind)) return assign(targets[0], value, env);
    const all = targets.length === 1 ? split(targets[0].kids.slice(1, -1)).map(([one]) => one) : targets;
    const of = value instanceof Unknown ? value : itemsOf(value, targets[0]);
    all.forEach((target, i) => {
      if (target.kind === "*") return;
      assign(target, of instanceof Unknown || of.open ? (of.open ?? of) : (of.items[i] ?? null), env);
    });
    return value;
  };
  const assign = (target, value, env) => {
    if (target.kind === "VariableName") write(env.vars, target.text, value);
    else if (target.kind === "ParenthesizedExpression" || target.kind === "TupleExpression" || target.kind === "ArrayExpression") unpack([target], value, env);
    else if (target.kind === "MemberExpression") {
      const of = evaluateNode(target.kids[0], env);
      const dot = target.kids[1].kind === ".";
      if (target.kids.some(({ kind }) => kind === ":" || kind === ",")) return assignSlice(of, target, value, env);
      const key = dot ? target.kids[2].text : evaluateNode(target.kids[2], env);
      if (isModule(of) && (dot || CONTAINERS.test(of.type))) {
        const at = typeof key === "number" && key < 0 ? `${of.attrs.size + key}` : textOf(key);
        if (key instanceof Unknown) blur(new Map([[of.attrs, new Map([[" ", [null, value]]])]]), key);
        else write(of.attrs, at, dot ? value : asModule(value));
      } else if (of instanceof Unknown) write(of.attrs, dot ? key : `[${target.kids.slice(2, -1).map(({ text: one }) => one).join("")}]`, value);
      else if (of instanceof Dict) key instanceof Unknown ? write(of, "open", key) : write(of.map, comparable(key), value);
      else if (of instanceof List) typeof key === "number" ? change(of, of.items.with(modulo(key, of.items.length), value)) : write(of, "open", key);
      else if (of instanceof Kind) write(of.vars, key, value);
    }
    return value;
  };

  // values[1:2] = ..., values[i, j] = ...
  const assignSlice = (of, target, value, env) => {
    const ends = [[]];
    for (const kid of target.kids.slice(2, -1)) kid.kind === ":" ? ends.push([]) : ends.at(-1).push(kid);
    const [from = 0, to = of.items?.length, by] = ends.map(([kid]) => (kid ? evaluateNode(kid, env) : undefined));
    const all = itemsOf(value, target);
    if (of instanceof List && Number.isInteger(from) && Number.isInteger(to) && by === undefined && all.items && !all.open) {
      const [start, end] = [from, to].map((at) => (at < 0 ? Math.max(at + of.items.length, 0) : at));
      change(of, [...of.items.slice(0, start), ...all.items, ...of.items.slice(Math.max(start, end))]);
    } else if (of instanceof List) {
      change(of, []);
      write(of, "open", unknown(target, { made: true }));
    } else if (of instanceof Dict || isModule(of)) write(of, "open", unknown(target, { made: isModule(of) }));
    return value;
  };

  const run = (nodes, env, module = false) => {
    for (const [i, node] of nodes.entries()) {
      step();
      const simple = !/^(Class|Function|Decorated|If|For|While|Try|With)/.test(node.kind);
      if (broken.has(node.line) && simple && !node.wrong) continue;
      if (node.wrong && (simple || node.kind === "⚠")) {
        forget(node, env);
        wrong(node);
        continue;
      }
      const handle = () => STATEMENTS[node.kind]?.(node, env, node.kids, nodes.slice(i + 1), module);
      const done = module ? piece(node, handle) : handle();
      if (done) return done.kind === "done" ? done.value : done;
    }
    return null;
  };
  const forget = (node, env) => {
    for (const kid of node.kids) {
      if (kid.kind === "VariableName" && node.kids.some(({ kind }) => /^(Assign|Update)Op$/.test(kind))) write(env.vars, kid.text, new Unknown(kid.text, kid.line));
      if (kid.kind === "MemberExpression" && kid.text.startsWith("self.")) assign(kid, new Unknown(kid.text, kid.line, { said: null, made: true }), env);
    }
  };
  const broken = new Set(); // lines: what stands behind a mistake is not read, either
  const wrong = (node) => {
    broken.add(lineOf(node.wrong?.from ?? node.from));
    const lines = node.text.split("\n");
    const opened = unclosed(node);
    if (opened) return tell(opened.line, "this bracket is never closed: {text}", { text: opened.text });
    const at = node.wrong.to > node.wrong.from ? node.wrong : null;
    const shown = at ? text.slice(at.from, at.to).split("\n")[0] : "";
    if (shown) tell(lineOf(at.from), "not understood: {text}", { text: shown.slice(0, 60) });
    else if (/[=(,+*/-]\s*$/.test(lines.at(-1))) tell(node.line + lines.length - 1, "something is missing at the end", {});
    else tell(lineOf(node.wrong.from), "not understood: {text}", { text: text.slice(node.from, node.wrong.from + 20).split("\n").at(-1).trim().slice(-60) || lines[0].slice(0, 60) });
    return null;
  };

  const branch = (test, one, other, rest, env, module) => {
    const cause = test instanceof Unknown ? test : unknown({ text: "...", line: 1 });
    const [[a, first], [b, second]] = [one, other].map((nodes) => tried(() => run(nodes, env, module)));
    const ends = [a, b].map((done) => done?.kind);
    const redo = (nodes) => run(nodes, env, module);
    if (ends[0] === "raise") return redo(other);
    if (ends[1] === "raise") return redo(one);
    if (!a && !b) {
      merge(first, second, cause);
      return null;
    }
    // One way ends here, the other goes on.
    const [[x, left], [y, right]] = [[a, one], [b, other]].map(([done, nodes]) => tried(() => (done ? redo(nodes) : run([...nodes, ...rest], env, module))));
    merge(left, right, cause);
    const [va, vb] = [x, y].map((done) => (done?.kind === "return" ? done.value : null));
    if (ends.includes("break") || ends.includes("continue")) return { kind: "done", value: { kind: "lost", cause } };
    return { kind: "done", value: { kind: "return", value: either(va, vb, cause) } };
  };

  const loop = (items, open, body, env, module, start) => {
    for (const one of items) {
      start(one);
      const done = run(body, env, module);
      if (done?.kind === "break") return null;
      if (done?.kind === "lost") {
        open = done.cause;
        break;
      }
      if (done && done.kind !== "continue") return done;
    }
    if (open) {
      const [, written] = tried(() => {
        start(new Unknown(open.text, open.at, { said: open.said }));
        return run(body, env, module);
      });
      blur(written, open);
    }
    return null;
  };
  const evaluateTop = (node, env, module, alone) => {
    const value = evaluateNode(node, env);
    if (!module || env !== globals) return;
    if (isModule(value)) tops.push(["", value]);
    else if (value instanceof Unknown) {
      if (value.made || (alone && value.said !== null)) tellUnknown(value);
    } else if (alone && value !== null && !(value instanceof List && !value.items.length)) tell(node.line, "this is no layer: {value}", { value: literal(plain(value)) });
  };
  const STATEMENTS = {
    // Of a text that is one expression, anything is said; else no call that is made for what it does.
    ExpressionStatement: (node, env, [value], rest, module) => evaluateTop(value, env, module, body.length === 1 || !/Call|Member|String/.test(value.kind)),
    StatementGroup: (node, env, kids, rest, module) => run(kids.filter(({ kind }) => kind !== ";"), env, module),
    AssignStatement: (node, env, kids) => {
      const parts = split(kids.filter(({ kind }) => kind !== "TypeDef"), "AssignOp");
      if (parts.length < 2) return;
      const right = split(parts.at(-1));
      const value = right.length > 1 || right[0][0].kind === "*" || parts.at(-1).some(({ kind }) => kind === ",") ? Object.assign(evaluateAll(parts.at(-1), env), { tuple: true }) : evaluateNode(right[0][0], env);
      for (const part of parts.slice(0, -1)) unpack(split(part).map((one) => one.at(-1)), value, env);
    },
    UpdateStatement: (node, env, kids) => {
      const [target, op, right] = kids;
      const [value, more] = [evaluateNode(target, env), evaluateNode(right, env)];
      if (value instanceof List && op.text === "+=" && !value.tuple) LIST_METHODS.extend(value, [more], node);
      else if (isModule(value) && op.text === "+=") MODULE_METHODS.extend(value, [more], new Map(), node);
      else assign(target, binary(op.text.slice(0, -1), value, more, node), env);
    },
    IfStatement: (node, env, kids, rest, module) => {
      for (let i = 0; i < kids.length; ) {
        if (kids[i].kind === "else") return run(statementsOf(kids[i + 1]), env, module);
        const test = evaluateNode(kids[i + 1], env);
        const held = truth(test);
        const body = kids[i + 2]?.kind === "Body" ? statementsOf(kids[i + 2]) : [];
        if (held === true) return run(body, env, module);
        if (held !== false) {
          const later = kids.slice(i + 3);
          const other = later.length ? [{ ...node, kind: "IfStatement", kids: later, wrong: null }] : [];
          const cause = test instanceof Unknown ? test : unknown(kids[i + 1]);
          return branch(cause, body, other, rest, env, module);
        }
        i += 3;
      }
      return null;
    },
    ForStatement: (node, env, kids, rest, module) => {
      const at = kids.findIndex(({ kind }) => kind === "in");
      const body = kids.findIndex(({ kind }) => kind === "Body");
      if (at < 0 || body < 0) return wrong(node);
      const targets = split(kids.slice(1, at)).map(([target]) => target);
      const all = attempt(() => itemsOf(body - at > 2 ? evaluateAll(kids.slice(at + 1, body), env) : evaluateNode(kids[at + 1], env), kids[at + 1]));
      return loop(all.items ?? [], all instanceof Unknown ? all : all.open, statementsOf(kids[body]), env, module, (one) => unpack(targets, one, env));
    },
    WhileStatement: (node, env, [, test, body], rest, module) => {
      for (let i = 0; i < MOST; i++) {
        const value = evaluateNode(test, env);
        const held = truth(value);
        if (held === false) return null;
        if (held !== true) return loop([], value instanceof Unknown ? value : unknown(test), statementsOf(body), env, module, () => {});
        const done = run(statementsOf(body), env, module);
        if (done?.kind === "break") return null;
        if (done && done.kind !== "continue") return done;
      }
      return loop([], unknown(test), statementsOf(body), env, module, () => {});
    },
    WithStatement: (node, env, kids, rest, module) => {
      for (const [i, kid] of kids.entries()) if (kid.kind === "as") assign(kids[i + 1], unknown(kids[i - 1]), env);
      return run(statementsOf(kids.at(-1)), env, module);
    },
    TryStatement: (node, env, kids, rest, module) => {
      const bodies = kids.filter(({ kind }) => kind === "Body");
      const done = run(statementsOf(bodies[0]), env, module);
      return done?.kind === "raise" && bodies[1] ? run(statementsOf(bodies[1]), env, module) : done;
    },
    ReturnStatement: (node, env, kids) => ({ kind: "return", value: kids.length < 2 ? null : kids.some(({ kind }) => kind === ",") ? Object.assign(evaluateAll(kids.slice(1), env), { tuple: true }) : evaluateNode(kids[1], env) }),
    RaiseStatement: () => ({ kind: "raise" }),
    BreakStatement: () => ({ kind: "break" }),
    ContinueStatement: () => ({ kind: "continue" }),
    DeleteStatement: (node, env, kids) => {
      for (const target of kids.slice(1)) {
        if (target.kind === "VariableName") write(env.vars, target.text, undefined);
        else if (target.kind === "MemberExpression" && target.kids[1].kind === ".") {
          const of = evaluateNode(target.kids[0], env);
          if (isModule(of)) write(of.attrs, target.kids[2].text, undefined);
        }
      }
    },
    ImportStatement: (node, env, kids) => {
      const from = kids[0].kind === "from";
      const at = kids.findIndex(({ kind }) => kind === "import");
      const home = from ? kids.slice(1, at).map((kid) => kid.text).join("") : "";
      for (const part of split(kids.slice(at + 1).filter(({ kind }) => !/^[()]$/.test(kind)))) {
        const names = part.filter(({ kind }) => kind === "VariableName").map((kid) => kid.text);
        const as = part.some(({ kind }) => kind === "as") ? names.at(-1) : names[0];
        if (!as) continue;
        const path = part.slice(0, part.findIndex(({ kind }) => kind === "as") < 0 ? undefined : part.findIndex(({ kind }) => kind === "as")).map((kid) => kid.text).join("");
        if (!from) {
          const space = part.some(({ kind }) => kind === "as") ? path : names[0];
          write(env.vars, as, own(SPACES, space) ? new Space(SPACES[space]) : unknown({ text: as, line: node.line }));
        } else if (own(SPACES, `${home}.${path}`)) write(env.vars, as, new Space(SPACES[`${home}.${path}`]));
        else if (/^torch(\.nn(\.modules(\.\w+)?)?)?$/.test(home) || own(SPACES, home)) write(env.vars, as, memberOf(SPACES[home] ?? "nn", path, part[0]));
        else if (home.startsWith("torch.nn.parameter")) write(env.vars, as, BUILTINS.Parameter);
        else if (!own(BUILTINS, path) && !(own(SPACES, path) && /^[a-z]/.test(path))) write(env.vars, as, Object.assign(unknown({ text: as, line: node.line }), { free: true }));
      }
    },
    FunctionDefinition: (node, env, kids) => {
      const name = kids.find(({ kind }) => kind === "VariableName").text;
      const body = kids.find(({ kind }) => kind === "Body");
      if (!body) return wrong(node);
      const func = new Func(name, kids.find(({ kind }) => kind === "ParamList"), body, env);
      func.line = node.line;
      write(env.vars, name, func);
    },
    DecoratedStatement: (node, env, kids, rest, module) => {
      const definition = kids.at(-1);
      const marks = kids.slice(0, -1).map((kid) => kid.text);
      STATEMENTS[definition.kind]?.(definition, env, definition.kids, rest, module);
      const made = env.vars.get(definition.kids.find(({ kind }) => kind === "VariableName")?.text);
      if (made instanceof Func) made.role = marks.includes("@property") || marks.some((one) => /cached_property/.test(one)) ? "property" : marks.includes("@staticmethod") ? "static" : marks.includes("@classmethod") ? "class" : "";
      if (made instanceof Kind && marks.some((one) => /^@(dataclasses\.)?dataclass/.test(one))) {
        made.fields = new Map();
        for (const field of statementsOf(definition.kids.at(-1))) {
          if (field.kind !== "AssignStatement") continue;
          const key = field.kids[0].text;
          made.fields.set(key, made.vars.get(key) ?? new Unknown(key, field.line));
        }
      }
    },
    ClassDefinition: (node, env, kids) => {
      const name = kids.find(({ kind }) => kind === "VariableName")?.text;
      const body = kids.find(({ kind }) => kind === "Body");
      if (!name || !body) return wrong(node);
      const list = kids.find(({ kind }) => kind === "ArgList");
      const bases = list ? split(list.kids.slice(1, -1)).filter((part) => part[1]?.kind !== "AssignOp").map(([base]) => evaluateNode(base, env)) : [];
      const kind = new Kind(name, bases, node.line);
      kind.text = node.text;
      const scope = { vars: kind.vars, parent: env };
      run(statementsOf(body), scope);
      for (const value of kind.vars.values()) {
        if (value instanceof Func) Object.assign(value, { owner: kind, env });
      }
      write(env.vars, name, kind);
      kinds.push(kind);
    },
  };

  // ---- What there is in the end ----

  const HARMLESS = /(^|\.)(\w*Module|\w*PreTrainedModel|\w*Mixin|ABC|object|Generic|Protocol|GradientCheckpointingLayer|\w*Config)$/;
  const saidUnknown = (value, key, source) => {
    if (value.made) return true;
    if (/^(ACT2FN|ACT_FN|get_activation|get_act|act_|act\b|activation)/i.test(value.text)) return false;
    return new RegExp(`self\\.${key}\\(|in self\\.${key}\\b|self\\.${key}\\.(forward|weight)\\b`).test(source);
  };
  // What a class without an __init__ takes from its self.
  const usedOf = (made) => {
    const has = (name) => MODULES_OWN.test(name) || made.attrs.has(name) || inherited(lineage(made.kind), name) !== undefined;
    return made.kind.bases.every((base) => base instanceof Torch) ? [...made.kind.text.matchAll(/\bself\.(\w+)/g)].map(([, name]) => name).find((name) => !has(name)) : undefined;
  };
  const MODULES_OWN = /^(training|dump_patches|(named_)?(parameters|modules|children|buffers)|state_dict|load_state_dict|train|eval|to|apply|cuda|cpu|half|float|double|type|zero_grad|(register|get)_\w+|add_module|_\w+)$/;
  const frozen = (made, saying = true, seen = new Set()) => {
    if (seen.has(made)) throw new RangeError();
    seen.add(made);
    const node = moduleOf(made.type, made.line, { values: made.values });
    if (Object.keys(made.lost).length) {
      node.open = new Set(Object.keys(made.lost));
      if (saying) for (const value of new Set(Object.values(made.lost))) tellUnknown({ ...value, at: made.line });
    }
    const parts = [[], [], []];
    node.without = new Set([...made.attrs].filter(([, value]) => value === null).map(([key]) => key));
    for (const [key, value] of made.attrs) {
      if (isModule(value)) parts[2].push([key, frozen(value, saying, seen)]);
      else if (value instanceof Tensor && value.kept) {
        const lost = unknownIn(value.shape);
        if (!lost && value.shape.every((size) => Number.isInteger(size) && size >= 0)) parts[Number(value.kept === "buffer")].push([key, moduleOf("Parameter", made.line, { shape: value.shape, kept: value.kept === "buffer" ? { kind: "buffer", row: say("a buffer of your own") } : {} })]);
        else if (saying) tellUnknown(lost ?? new Unknown(key, made.line, { said: "the shape of {name} is not known here" }));
      } else if (value instanceof Unknown) {
        const assigned = partsOf(value, saying, seen);
        if (assigned.length) parts[2].push([key, moduleOf("", made.line, { children: assigned })]);
        if (saying && saidUnknown(value, key, made.kind?.text ?? text)) tellUnknown(value);
      }
    }
    for (const [key, value] of made.absent) {
      const assigned = made.attrs.has(key) ? [] : partsOf(value, saying, seen);
      if (assigned.length) parts[2].push([key, moduleOf("", made.line, { children: assigned })]);
    }
    if (made.open && saying) tellUnknown(made.open);
    if (saying && made.kind) {
      const used = inherited(lineage(made.kind), "__init__") ? undefined : usedOf(made);
      if (used) tell(made.kind.line, "{name} has no __init__ here: what self.{used} stores is missing", { name: made.kind.name, used });
      for (const base of lineage(made.kind)) {
        if (base instanceof Unknown && !HARMLESS.test(base.text) && base.said !== null) tell(made.kind.line, "{name} is not here: what it stores is missing", { name: base.text });
      }
    }
    seen.delete(made);
    node.children = parts.flat();
    node.kindName = made.kind?.name;
    return node;
  };
  // model.fc = nn.Linear(512, 10), of a model that is made elsewhere
  const partsOf = (value, saying, seen) => [...value.attrs].flatMap(([key, one]) => {
    const name = key.replace(/^\[["']?|["']?\]$/g, "");
    if (isModule(one)) return [[name, frozen(one, saying, seen)]];
    const inner = one instanceof Unknown ? partsOf(one, saying, seen) : [];
    return inner.length ? [[name, moduleOf("", 1, { children: inner })]] : [];
  });

  const tops = [];
  const kinds = [];
  for (const node of body) if (node.kind === "⚠") wrong(node);
  globals.vars.set("__name__", "__main__");
  run(body.filter(({ kind }) => kind !== "⚠"), globals, true);

  const used = new Set();
  const use = (value) => {
    for (const one of [...(value.attrs?.values() ?? []), ...Object.values(value.lost ?? {}), ...(value.items ?? [])]) if ((isModule(one) || one instanceof List) && !used.has(one)) (used.add(one), use(one));
  };
  const all = [...tops];
  for (const [name, value] of globals.vars) {
    if (name === "self") all.unshift(["self", value]);
    else if (isModule(value) || (value instanceof Unknown && partsOf(value, false, new Set()).length)) all.push([name, value]);
    else if (value instanceof List && !value.tuple && value.items.some(isModule) && !body.some((node) => node.kind === "ClassDefinition")) all.push(...value.items.filter(isModule).map((one) => [name, one]));
  }
  // A class that nobody makes is made with what the lines above say, or its defaults.
  const isNet = (kind) => lineage(kind).some((one) => one instanceof Torch || (one instanceof Unknown && !/(^|\.)(object|ABC|Enum|Config|\w*Config|Dataset|Exception|Protocol)$/.test(one.text))) || (!kind.bases.length && kind.vars.has("__init__") && /\bnn\./.test(kind.text));
  const makeAlone = (kind) => {
    const init = inherited(lineage(kind), "__init__");
    const named = new Map();
    for (const { name, star, value } of parametersOf(init?.params).slice(1)) {
      const above = globals.vars.get(name);
      if (!star && above !== undefined && !(above instanceof Unknown && above.free)) named.set(name, above);
      else if (!star && !value) named.set(name, new Unknown(name, init.line));
    }
    const node = { text: kind.name, line: kind.line, kids: [{ text: kind.name }] };
    return piece(node, () => attempt(() => construct(kind, [], named, null, node)));
  };
  const alone = [];
  for (const kind of kinds.filter((one) => !one.used && isNet(one) && !one.fields)) {
    if (kind.used) continue;
    const made = makeAlone(kind);
    kind.used = false;
    alone.push([kind.name, made, kind]);
  }
  for (const func of [...globals.vars.values()].filter((one) => one instanceof Func && !one.used && /\bnn\./.test(one.body.text))) {
    if (func.name === "__init__") {
      const kind = Object.assign(new Kind("", [new Torch("Module")], func.line), { vars: new Map([["__init__", func]]), text });
      func.owner = kind;
      alone.push(["", makeAlone(kind), kind]);
    } else if (/\breturn\b/.test(func.body.text) && !parametersOf(func.params).some(({ name }) => name === "self")) {
      const node = { text: `${func.name}()`, line: func.line, kids: [] };
      const value = piece(node, () => attempt(() => invoke(func, [], new Map(), node)));
      if (isModule(value)) all.push([`${func.name}()`, value]);
      else if (value instanceof Unknown && value.made) tellUnknown(value);
    }
  }
  for (const [name, made, kind] of alone) if (isModule(made) && !kind.used) all.push([name, made]);
  for (const [, value] of all) use(value);

  const found = [];
  const done = new Set();
  const several = all.filter(([, value]) => !used.has(value) && !done.has(value) && done.add(value));
  for (const [name, value] of several) {
    const node = isModule(value) ? frozen(value) : moduleOf("", 1, { children: partsOf(value, true, new Set()) });
    if (value instanceof Unknown) tell(value.at, "of {name}, only what is written here is known", { name });
    found.push(["", node, name === "self" ? "" : (value.kind?.name ?? (isModule(value) && value.type && !CONTAINERS.test(value.type) ? "" : name))]);
  }
  for (const [message, values, lines] of [...said.values()].sort(([, , a], [, , b]) => Math.min(...a) - Math.min(...b))) {
    const name = message === NO_CLASS ? (values.name ?? "") : "";
    const type = name.replace(/^(torch\.)?nn\./, "").replace(/\(.*/s, "");
    const near = /^(torch\.)?nn\.\w+/.test(name) ? nearest(type, classes.keys()) : "";
    const whole = say(near ? NEAR : message, message === NO_CLASS ? { type, near } : values);
    slips.push(say(lines.length > 1 ? "Lines {line}: {said}" : "Line {line}: {said}", { line: listed(lines.sort((a, b) => a - b)), said: whole }));
  }
  return { tops: found };
};

const NO_CLASS = "{type} is no class of torch.nn. Paste its source, too, or print(model)";
const NEAR = "{type} is no class of torch.nn, the nearest is {near}. Of a class of your own paste print(model)";
const SPACES = {
  nn: "nn", torch: "torch", F: "F", math: "math", np: "np", numpy: "np", functools: "functools", collections: "collections", copy: "copy", itertools: "itertools",
  "torch.nn": "nn", "torch.nn.functional": "F", "torch.nn.init": "nn.init", "nn.functional": "F", init: "nn.init", "torch.nn.utils": "nn.utils",
};
