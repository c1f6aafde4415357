// What a checkpoint holds, by its headers alone: load() of snippets/checkpoints, through File.slice.
// Nothing in a file is executed, no name in it looked up.
class Fault extends Error {}
class Tuple extends Array {}
class Kind {
  constructor(kind, text = "") {
    Object.assign(this, { kind, text });
  }
}
class Dtype {
  constructor(name, code = "", size = sizeOf(name)) {
    Object.assign(this, { name, code, size });
  }
}
class StandIn {
  constructor(name, args) {
    Object.assign(this, { name, args });
  }
}
class Storage {
  constructor(key, dtype, numbers) {
    Object.assign(this, { key, dtype, numbers });
  }
}

// What load() says that has these words in it.
const said = (words, ...values) => {
  const filled = (place) => (typeof values[0] === "string" && place === "{}" ? values.shift() : repr(values.shift()));
  return rules.sentences.find((text) => text.includes(words)).replace(/\{(!r)?\}/g, filled);
};
const fault = (...told) => new Fault(said(...told));

// ---- As Python has it ----

const typeName = (value) => {
  if (value === null) return "NoneType";
  if (value instanceof Kind) return value.kind;
  if (value instanceof Map) return "LazyDict";
  if (Array.isArray(value)) return value instanceof Tuple ? "tuple" : "list";
  if (value instanceof Uint8Array) return "bytes";
  if (value instanceof Dtype) return "dtype";
  if (value instanceof Stored) return "tensor";
  return { boolean: "bool", number: "int", bigint: "int", string: "str" }[typeof value] ?? value.constructor.name;
};
const tupled = (items) => `(${items.join(", ")}${items.length === 1 ? "," : ""})`;
const repr = (value) => {
  if (typeof value === "string") {
    const quote = value.includes("'") && !value.includes('"') ? '"' : "'";
    return quote + escaped(value.replaceAll("\\", "\\\\").replaceAll(quote, `\\${quote}`)) + quote;
  }
  if (value instanceof StandIn) {
    const name = escaped(value.name.replace(/^torch\.nn\.modules\.\w+\./, "torch.nn."));
    return value.said ?? (value.args ? `a pickled ${name}, not rebuilt` : `the name ${name}`);
  }
  if (value instanceof Tuple) return tupled(value.map(repr));
  if (Array.isArray(value)) return `[${value.map(repr).join(", ")}]`;
  if (value instanceof Map) return `{${[...value].map((pair) => pair.map(repr).join(": ")).join(", ")}}`;
  if (value instanceof Kind) return value.text;
  return { null: "None", true: "True", false: "False" }[value] ?? String(value);
};
const floating = (x) => {
  const [digits, power] = x.toExponential().split("e");
  let text = String(x).replace("Infinity", "inf").replace("NaN", "nan");
  if (Number.isFinite(x) && x && (power < -4 || power > 15)) text = digits + "e" + power[0] + power.slice(1).padStart(2, "0");
  else if (Number.isInteger(x)) text = `${Object.is(x, -0) ? "-0" : text}.0`;
  return new Kind("float", text);
};
const whole = (big) => (big >= -(2n ** 53n) && big <= 2n ** 53n ? Number(big) : big);
const LETTERS = { b: "bool", i: "int", u: "uint", f: "float", c: "complex" };
// The name of NumPy's dtype "<f4".
const numpyName = (code) => {
  const [, order, kind, size] = code.match(/^([<>|=]?)([biufc])(\d+)$/) ?? [];
  if (!kind || (order === ">" && size > 1)) return code;
  return LETTERS[kind] + (kind === "b" ? "" : 8 * size);
};
// The number of a dtype "f4" that begins a view.
const numberAt = (view, [kind, ...digits], little = true) => {
  const size = Number(digits.join(""));
  const get = (type) => view[`get${type}${8 * size}`](0, little);
  if (kind === "f") return size > 2 ? floating(get("Float")) : new Kind("float");
  if (kind === "b" || kind === "?") return view.getUint8(0) > 0;
  if (kind === "i" || kind === "u") return whole(BigInt(get((size > 4 ? "Big" : "") + (kind === "i" ? "Int" : "Uint"))));
  return new Kind({ c: "complex", S: "bytes" }[kind] ?? "str");
};

// ---- Bytes ----

const bytesOf = async (blob, start, end) => new Uint8Array(await blob.slice(start, Math.min(end, blob.size)).arrayBuffer());
const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
const long = (view, at) => Number(view.getBigUint64(at, true));
const latin = (bytes) => bytes.reduce((text, byte) => text + String.fromCharCode(byte), "");
const utf8 = (bytes) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
const textOf = async (blob) => utf8(await bytesOf(blob, 0, blob.size));

const within = (blob, end) => {
  if (end > blob.size) throw fault("cut off: it", end, blob.size);
};
// Bytes from the front, read some at a time; what is long is passed over.
class Stream {
  constructor(blob, at = 0) {
    Object.assign(this, { blob, at, from: 0, bytes: new Uint8Array(), steps: 0 });
  }
  skip(size) {
    this.at += size;
    if (this.tells) within(this.blob, this.at);
    if (this.at > this.blob.size) throw new Error();
  }
  async take(size) {
    const start = this.at;
    this.skip(size);
    if (start < this.from || this.at > this.from + this.bytes.length) {
      this.from = start;
      this.bytes = await bytesOf(this.blob, start, start + Math.max(size, 2 ** 16));
    }
    return this.bytes.subarray(start - this.from, this.at - this.from);
  }
  async number(code) {
    return numberAt(viewOf(await this.take(Number(code.slice(1)))), code);
  }
  async line() {
    const bytes = [];
    while (bytes.at(-1) !== 10) bytes.push(...(await this.take(1)));
    return latin(bytes.slice(0, -1));
  }
}

// ---- Pickles ----

const checkIs = (value, ...kinds) => {
  if (!kinds.includes(typeName(value))) throw fault("where that makes no sense", typeName(value));
};
const setItems = (target, pairs) => {
  checkIs(target, "LazyDict", "StandIn");
  if (target instanceof Map) for (const [key, value] of pairs) target.set(key, value);
  return target;
};
const addItems = (target, items) => {
  checkIs(target, "list", "StandIn");
  if (Array.isArray(target)) for (const item of items) target.push(item);
};
const inTwos = (items) => {
  if (items.length % 2) throw new Error();
  return Array.from({ length: items.length / 2 }, (_, i) => [items[2 * i], items[2 * i + 1]]);
};

const tensorAt = ({ key, dtype: of, numbers }, offset, shape, stride, marks = [], dtype = of) => {
  const bytes = numbers * of.size;
  const count = bytes / dtype.size;
  if (bytes % dtype.size) throw fault("are no whole number", bytes, dtype.name);
  if (!(shape instanceof Tuple && stride instanceof Tuple) || shape.length !== stride.length || shape.length > 64) throw fault("two tuples of one length");
  if ([offset, ...shape, ...stride].some((n) => typeName(n) !== "int" || n < 0)) throw fault("are not all counts");
  const last = shape.reduce((sum, n, i) => sum + (BigInt(n) - 1n) * BigInt(stride[i]), BigInt(offset));
  if (!shape.includes(0) && last >= count) throw fault("a tensor reads number", last, count);
  return new Stored(shape, dtype.name, undefined, shape.includes(0) ? "" : [key, offset, shape, stride, dtype.name, marks].join());
};
const encoded = (raw) => (typeof raw === "string" ? new TextEncoder().encode(raw) : raw);
const arrayOf = (raw, dtype, shape) => {
  if (!["bytes", "bytearray", "str"].includes(typeName(raw)) || !(dtype instanceof Dtype)) return undefined;
  const { length, size = length } = encoded(raw);
  if (!(shape instanceof Tuple) || count(shape) * dtype.size !== size || !dtype.size) throw fault("an array of {} does", dtype.name, size);
  return new Stored(shape, dtype.name, size);
};

// What stands for the functions that pickles may name, by their names in snippets/checkpoints/torch_file.py.
const first = (value) => value;
const MADE = {
  rebuild_tensor: (storage, offset, shape, stride, grad, hooks, flags) => {
    checkIs(storage, "Storage");
    checkIs(flags ?? new Map(), "LazyDict");
    const marks = [...(flags?.keys() ?? [])].sort();
    if (!marks.every((mark) => mark === "conj" || mark === "neg")) throw fault("which is not conj or neg", String(marks[0]).slice(0, 50));
    if (marks.length && rules.later.includes(storage.dtype.name)) throw fault("as conj or neg", storage.dtype.name);
    return tensorAt(storage, offset, shape, stride, marks);
  },
  rebuild_tensor_v3: (storage, offset, shape, stride, grad, hooks, dtype) => {
    checkIs(storage, "Storage");
    if (dtype instanceof StandIn) return new StandIn(`${dtype.name} tensor`, []);
    checkIs(dtype, "dtype");
    return tensorAt(storage, offset, shape, stride, [], dtype);
  },
  _rebuild_parameter: first,
  _rebuild_parameter_with_state: first,
  _rebuild_from_type_v2: (made, type, args) => call(made, args),
  Parameter: first,
  Size: first,
  device: (kind, index) => kind.slice(0, 20) + (index === undefined || index === null ? "" : `:${index}`),
  ordered_dict: (pairs = []) => {
    checkIs(pairs, "list", "tuple");
    return new Map(pairs);
  },
  counter: first,
  a_dict: () => new Map(),
  a_set: () => new Kind("set"),
  frozenset: () => new Kind("frozenset"),
  complex: () => new Kind("complex"),
  a_bytes: (text = "", encoding = "latin1") => {
    if (typeName(text) === "bytes") return text;
    checkIs(text, "str");
    if (!["latin1", "latin-1"].includes(encoding)) throw fault("in an encoding");
    return Uint8Array.from(text, (c) => c.charCodeAt(0));
  },
  bytearray: (...args) => Object.assign(new Kind("bytearray"), { size: MADE.a_bytes(...args).length }),
  instance: (kind, ...args) => {
    checkIs(kind, "StandIn");
    return new StandIn(kind.name, args.length === 1 && args[0] === null ? [] : args);
  },
  _reconstructor: (kind, base, ...args) => MADE.instance(kind, ...args),
  numpy_buffer: (raw, dtype, shape) => arrayOf(raw, dtype, shape) ?? new StandIn("numpy.ndarray", []),
  numpy_scalar: (dtype, raw) => {
    if (!arrayOf(raw, dtype, new Tuple())) return new StandIn("numpy.generic", []);
    return numberAt(viewOf(encoded(raw)), dtype.code.slice(1), dtype.code[0] !== ">");
  },
};
const BUILDERS = new Map(Object.entries(rules.builders).map(([name, made]) => [name, MADE[made] ?? new Dtype(made)]));

const call = (made, args) => {
  checkIs(args, "tuple");
  if (made instanceof StandIn) return new StandIn(made.args ? "operator.call" : made.name, args);
  if (typeof made !== "function") checkIs(made, "function");
  if (args.length > 16) throw fault("its pickle calls a function", args.length);
  return made(...args);
};

const isObject = (dtype) => dtype instanceof StandIn && dtype.name === "numpy.dtype" && /^O[48]?$/.test(dtype.args?.[0]);
const objectsOf = (elements, shape) => {
  if (count(shape) !== elements.length) throw fault("an array of objects", elements.length);
  return new Kind("tensor", `array of objects ${tupled(shape)}`);
};
// joblib puts the numbers of an array into the middle of a pickle, behind what it says of them.
const joblibArray = async (stream, { state }, inner) => {
  const [dtype, shape] = [state.get("dtype"), state.get("shape")];
  if (isObject(dtype)) return inner();
  checkIs(dtype, "dtype");
  if (state.get("numpy_array_alignment_bytes")) stream.skip(await stream.number("u1"));
  const size = count(shape) * dtype.size;
  stream.skip(size);
  return new Stored(shape, dtype.name, size);
};
const finished = (value) => value?.built ?? value;
const build = async (stream, target, state, inner) => {
  if (target instanceof Map || target instanceof Stored) return target;
  checkIs(target, "StandIn");
  target.state = state;
  const [code] = target.args ?? [];
  if (target.name === "joblib.numpy_pickle.NumpyArrayWrapper") target.built = await joblibArray(stream, target, inner);
  else if (target.name === "numpy.ndarray" && state?.length === 5) target.built = isObject(state[2]) ? objectsOf(state[4], state[1]) : arrayOf(state[4], state[2], state[1]);
  else if (target.name === "numpy.dtype" && state?.[2] === null && /^[biufcSU][0-9]{1,9}$/.test(code) && /^[<>|=]$/.test(state[1])) {
    target.built = new Dtype(numpyName(state[1] + code), state[1] + code, code.slice(1) * (code[0] === "U" ? 4 : 1));
  }
  return finished(target);
};

// Bytes of a text that are kept: longer ones are numbers, passed over.
const LONGEST = 4096;
const bytes = async (stream, size) => {
  if (size <= LONGEST) return (await stream.take(size)).slice();
  stream.skip(size);
  return Object.assign(new Kind("bytes"), { size });
};
const fromPython2 = (bytes) => {
  try {
    return utf8(bytes);
  } catch {
    return bytes.slice();
  }
};
const ascii = (line) => {
  if (/[^\0-\x7f]/.test(line)) throw new Error();
  return line;
};
const integer = (line) => whole(BigInt(line.replace(/L$/, "")));
const LINES = {
  decimalnl_short: (line) => ({ "00": false, "01": true })[line] ?? integer(line),
  decimalnl_long: integer,
  floatnl: (line) => floating(Number(line)),
  stringnl: (line) => line.slice(1, -1),
  unicodestringnl: (line) => line.replace(/\\u(....)/g, (_, hex) => String.fromCharCode(parseInt(hex, 16))),
};
const SIZED = {
  unicodestring: async (stream, size) => utf8(await stream.take(size)),
  bytes,
  bytearray: async (stream, size) => Object.assign(new Kind("bytearray"), { size }, stream.skip(size)),
  string: async (stream, size) => fromPython2(await stream.take(size)),
  long: async (stream, size) => {
    const bytes = await stream.take(size);
    return size > 64 ? 2n ** 512n : whole(BigInt.asIntN(8 * size, bytes.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n)));
  },
};
// What stands behind an instruction of a pickle, by the name that pickletools has for its kind.
const argument = async (stream, kind) => {
  if (LINES[kind]) return LINES[kind](await stream.line());
  if (kind === "stringnl_noescape_pair") return ascii(`${await stream.line()}.${await stream.line()}`);
  if (kind === "float8") return numberAt(viewOf(await stream.take(8)), "f8", false);
  const [, name, size] = kind.match(/^(\D+)(\d)$/);
  return SIZED[name] ? SIZED[name](stream, await stream.number(`u${size}`)) : stream.number(name[0] + size);
};

// The object of one pickle; allowed maps names to what stands for them, storage finds what it refers to.
const unpickle = async (stream, allowed, storage) => {
  const [stack, marks, memo, names] = [[], [], new Map(), new Map()];
  const there = (value) => {
    if (value === undefined) throw new Error();
    return value;
  };
  const pop = () => there(stack.pop());
  const top = () => there(stack.at(-1));
  const sinceMark = () => stack.splice(there(marks.pop()));
  const last = (size) => Tuple.from(stack.splice(-size));
  const named = (name) => {
    if (name.length > 500) throw fault("it needs a name", name.length);
    return allowed.get(name) ?? names.get(name) ?? names.set(name, new StandIn(name)).get(name);
  };
  const got = (key) => finished(there(memo.get(key)));
  const put = (key) => memo.set(key, top());
  const called = () => ((args) => call(pop(), args))(pop());
  // What an instruction puts on the stack.
  const pushed = {
    NONE: () => null,
    NEWTRUE: () => true,
    NEWFALSE: () => false,
    EMPTY_TUPLE: () => new Tuple(),
    EMPTY_LIST: () => [],
    EMPTY_DICT: () => new Map(),
    EMPTY_SET: () => new Kind("set"),
    STRING: first,
    BINSTRING: first,
    SHORT_BINSTRING: first,
    GET: got,
    BINGET: got,
    LONG_BINGET: got,
    DUP: top,
    TUPLE: () => Tuple.from(sinceMark()),
    TUPLE1: () => last(1),
    TUPLE2: () => last(2),
    TUPLE3: () => last(3),
    LIST: sinceMark,
    FROZENSET: () => (sinceMark(), new Kind("frozenset")),
    DICT: () => setItems(new Map(), inTwos(sinceMark())),
    GLOBAL: named,
    STACK_GLOBAL: () => {
      const [module, name] = last(2);
      checkIs(name, "str");
      checkIs(module, "str");
      return named(`${module}.${name}`);
    },
    BINPERSID: () => storage(pop()),
    REDUCE: called,
    NEWOBJ: called,
    NEWOBJ_EX: () => {
      const args = last(2);
      checkIs(top(), "StandIn");
      return call(pop(), args);
    },
    INST: (name) => call(named(name), Tuple.from(sinceMark())),
    OBJ: () => (([made, ...args]) => call(made, Tuple.from(args)))(sinceMark()),
    BUILD: () => ((state) => build(stream, pop(), state, () => unpickle(stream, allowed, storage)))(pop()),
  };
  const done = {
    PUT: put,
    BINPUT: put,
    LONG_BINPUT: put,
    MEMOIZE: () => put(memo.size),
    MARK: () => marks.push(stack.length),
    POP: () => (marks.at(-1) === stack.length ? marks.pop() : pop()),
    POP_MARK: sinceMark,
    APPEND: () => ((item) => addItems(top(), [item]))(pop()),
    APPENDS: () => ((items) => addItems(top(), items))(sinceMark()),
    ADDITEMS: () => (sinceMark(), checkIs(top(), "set")),
    SETITEM: () => ((pair) => setItems(top(), [pair]))(last(2)),
    SETITEMS: () => ((items) => setItems(top(), inTwos(items)))(sinceMark()),
    PROTO: first,
    FRAME: first,
  };
  while (stream.steps++ < rules.max_steps) {
    const position = stream.at;
    const [name, kind] = rules.opcodes[latin(await stream.take(1))];
    if (name === "STOP") return pop();
    const make = rules.pushed.includes(name) ? first : pushed[name];
    if (!make && !done[name]) throw fault("which weights never need", name, position);
    const told = kind && (await argument(stream, kind));
    if (make) stack.push(await make(told));
    else done[name](told);
  }
  throw fault("instructions", rules.max_steps);
};

const storageId = (id) => {
  const [word, dtype, key, , numbers, ...view] = id instanceof Tuple ? id : [];
  const isPlain = word === "storage" && dtype instanceof Dtype && typeof key === "string" && typeof numbers === "number" && numbers >= 0 && [...view, null].length < 3 && (view[0] ?? null) === null;
  if (!isPlain) throw fault("that is no plain storage");
  return [dtype, key, numbers];
};
// Finds what a pickle refers to; size gives the bytes of a key.
const storageOf = (size, order) => {
  if (order !== "little" && order !== "big") throw fault("neither little nor big");
  const storages = new Map();
  return (id) => {
    const [dtype, key, numbers] = storageId(id);
    if (!storages.has(key)) {
      const bytes = size(key);
      if (bytes % dtype.size) throw fault("are no whole number", bytes, dtype.name);
      storages.set(key, new Storage(key, dtype, bytes / dtype.size));
    }
    const found = storages.get(key);
    if (found.dtype !== dtype || found.numbers !== numbers) throw fault("the pickle says", key, found.numbers, found.dtype.name, numbers, dtype.name);
    return found;
  };
};

// ---- Zip ----

// The first bytes of what a deflated blob unpacks to, so many or more.
const unpacked = async (blob, most) => {
  const reader = blob.stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const chunks = [];
  for (let size = 0; size < most; size += chunks.at(-1).length) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
  }
  reader.cancel().catch(() => 0);
  return new Blob(chunks);
};

// The members of a zip, in the order of its directory, and where that begins; an error where it is broken.
const zipOf = async (blob) => {
  const from = Math.max(0, blob.size - 65557);
  const tail = viewOf(await bytesOf(blob, from, blob.size));
  let end = tail.byteLength - 22;
  while (tail.getUint32(end, true) !== 0x06054b50) end--;
  let [size, at] = [12, 16].map((o) => tail.getUint32(end + o, true));
  let start = from + end - size;
  if (end > 19 && tail.getUint32(end - 20, true) === 0x07064b50) {
    const big = viewOf(await bytesOf(blob, from + end - 76, from + end - 20));
    if (big.getUint32(0, true) === 0x06064b50) {
      [size, at] = [long(big, 40), long(big, 48)];
      start = from + end - 76 - size;
    }
  }
  if (start < 0) throw new Error();
  const bytes = await bytesOf(blob, start, start + size);
  const view = viewOf(bytes);
  const members = [];
  for (let i = 0; i < size; ) {
    const [flags, method, n, extra, comment] = [8, 10, 28, 30, 32].map((o) => view.getUint16(i + o, true));
    let [magic, packed, unpacked, offset] = [0, 20, 24, 42].map((o) => view.getUint32(i + o, true));
    if (magic !== 0x02014b50) throw new Error();
    const name = utf8(bytes.subarray(i + 46, i + 46 + n));
    i += 46 + n;
    for (let k = i; k + 4 <= i + extra; k += 4 + view.getUint16(k + 2, true)) {
      if (view.getUint16(k, true) !== 1) continue;
      let p = k + 4;
      const next = (value) => (value === 0xffffffff ? long(view, (p += 8) - 8) : value);
      [unpacked, packed, offset] = [next(unpacked), next(packed), next(offset)];
    }
    members.push({ name, flags, method, packed, size: unpacked, offset: offset + start - at });
    i += extra + comment;
  }
  return { members, end: start };
};
// Where the bytes of a member begin.
const startOf = async (blob, { offset }) => {
  const head = viewOf(await bytesOf(blob, offset, offset + 30));
  return head.byteLength === 30 && head.getUint32(0, true) === 0x04034b50 ? offset + 30 + head.getUint16(26, true) + head.getUint16(28, true) : -1;
};

// zip_members(): by their names, with their places, which lie apart.
const placed = async (blob, { members, end: last }) => {
  const sorted = members.toSorted((a, b) => a.offset - b.offset);
  if (sorted[0]?.offset) throw fault("several files in one, as", sorted[0].offset);
  const starts = await Promise.all(sorted.map((member) => startOf(blob, member)));
  const found = new Map();
  let [end, inflated] = [0, 0];
  for (const [i, { name, method, packed, size, offset, ...member }] of sorted.entries()) {
    if (starts[i] < 0 || offset < end) throw fault("does not lie where the zip says", name);
    end = starts[i] + packed;
    if (end > last) throw fault("ends beyond", name);
    if (found.has(name)) throw fault("is in the zip twice", name);
    if (method) inflated += size;
    found.set(name, { ...member, name, method, size, isWhole: method || packed === size, place: [starts[i], end] });
  }
  if (inflated > rules.max_inflation * blob.size) throw fault("are packed into", inflated, blob.size);
  return found;
};
const sizeOfMember = ({ name, flags, method, size, isWhole }) => {
  if (flags & 1 || (method !== 0 && method !== 8)) throw fault("neither stored nor deflated", name);
  if (!isWhole) throw fault("the zip tells of", name, size);
  return size;
};
const contentOf = async (blob, member) => {
  const size = sizeOfMember(member);
  const part = blob.slice(...member.place);
  const found = member.method ? await unpacked(part, size + 1) : part;
  if (found.size !== size) throw fault("the zip tells of", member.name, size);
  return found;
};

// The one folder of a zip with this file in it: its names, the bytes and sizes of its members, the object of a pickle.
const folderWith = async (blob, zip, file, isNone) => {
  const members = await placed(blob, zip);
  const [folder, ...others] = [...members.keys()].filter((name) => name.endsWith(`/${file}`) && name.split("/").length === 2).map((name) => name.split("/")[0]);
  if (folder === undefined || others.length) throw isNone([...members.keys()].sort().slice(0, 5));
  const member = (name) => {
    const found = members.get(`${folder}/${name}`);
    if (!found) throw fault("its pickle needs", name);
    return found;
  };
  const content = (name, most = Infinity) => {
    if (member(name).size > most) throw fault("than the file: a zip bomb");
    return contentOf(blob, member(name));
  };
  const whole = (name) => content(name, Math.max(blob.size, rules.small));
  const sized = (name) => sizeOfMember(member(name));
  const order = members.has(`${folder}/byteorder`) ? latin(await bytesOf(await content("byteorder"), 0, 9)) : "little";
  const unpickled = async (name, storages) => unpickle(new Stream(await whole(name)), BUILDERS, storageOf((key) => sized(storages + key), order));
  const names = [...members.keys()].filter((name) => name.startsWith(`${folder}/`)).map((name) => name.slice(folder.length + 1));
  return { names, content, whole, sized, unpickled };
};
const readTorchZip = async (blob, zip) =>
  (await folderWith(blob, zip, "data.pkl", (names) => fault("a zip without one data.pkl", names))).unpickled("data.pkl", "data/");

// ---- Programs: their weights ----

const isModule = (value) => value instanceof StandIn && value.state instanceof Map;
const readScript = async (blob, zip) => {
  const { content, unpickled } = await folderWith(blob, zip, "constants.pkl", (names) => fault("no TorchScript archive", names));
  const files = new Map();
  // What of a class is a parameter or a buffer, as its source tells; null where there is no telling.
  const kept = async (name) => {
    const path = `code/${name.split(".").slice(0, -1).join("/")}.py`;
    if (!files.has(path)) {
      const told = (await textOf(await content(path))).matchAll(new RegExp(rules.script_class, "gm"));
      files.set(path, new Map([...told].map(([, of, parameters, buffers]) => [of, buffers ? [...(parameters + buffers).matchAll(/"([^"]*)"/g)].map(([, one]) => one) : null])));
    }
    return files.get(path).get(name.split(".").at(-1));
  };
  const model = await unpickled("data.pkl", "data/");
  if (!isModule(model)) throw fault("its pickle holds no module");
  const [state, todo] = [new Map(), [["", model]]];
  for (let left = rules.max_steps; todo.length; ) {
    const [prefix, module] = todo.pop();
    const [names, inner] = [await kept(module.name), []];
    for (const [name, value] of module.state) {
      if ((left -= prefix.length + name.length + 1) < 0) throw fault("its modules contain");
      if (isModule(value)) inner.push([`${prefix}${name}.`, value]);
      else if (value instanceof StandIn && value.name.startsWith(rules.script_packed)) state.set(prefix + name, value.state);
      else if (value instanceof Stored && (names === null || names?.includes(name))) state.set(prefix + name, value);
    }
    todo.push(...inner.reverse());
  }
  if (state.size) return state;
  const made = await unpickled("constants.pkl", "constants/");
  return new Map([...made].map((value, i) => [`CONSTANTS.c${i}`, value]));
};

const readExported = async (blob, zip) => {
  if (zip.members.some(({ name }) => rules.exported_before.includes(name))) {
    const members = await placed(blob, zip);
    return readZip(await contentOf(blob, members.get(rules.exported_before.find((name) => members.has(name)))));
  }
  const { names, content, whole, sized } = await folderWith(blob, zip, "archive_format", (names) => fault("no file of torch.export", names));
  const states = new Map();
  const { exported_weights: folder, exported_config: config } = rules;
  const endingIn = (end) => names.filter((name) => name.startsWith(folder) && name.endsWith(end)).map((name) => [name, name.slice(folder.length, -end.length)]);
  for (const [name, model] of endingIn(config)) {
    const state = new Map();
    for (const [of, told] of parseJson(await textOf(await whole(name))).get("config")) {
      const [key, meta] = [folder + told.get("path_name"), told.get("tensor_meta")];
      const [shape, stride] = ["sizes", "strides"].map((which) => Tuple.from(meta.get(which).map((one) => one.get("as_int"))));
      const dtype = rules.exported_dtypes[meta.get("dtype")];
      if (told.get("use_pickle")) state.set(of, await readZip(await content(key)));
      else if (!dtype) throw fault("which is not known", of, meta.get("dtype"));
      else state.set(of, tensorAt(new Storage(key, new Dtype(dtype), sized(key) / sizeOf(dtype)), meta.get("storage_offset").get("as_int"), shape, stride));
    }
    states.set(model, state);
  }
  for (const [name, model] of endingIn(".pt")) states.set(model, await readZip(await content(name)));
  return states.size === 1 ? [...states.values()][0] : states;
};

// ---- The other kinds ----

const readPickle = async (blob) => {
  const stream = new Stream(blob);
  const found = await unpickle(stream, BUILDERS, () => {
    throw fault("that refers to something outside of it");
  });
  if (stream.at < blob.size) throw fault("a plain pickle that ends", stream.at);
  return found;
};

const readLegacy = async (blob) => {
  const stream = new Stream(blob);
  const next = (allowed = new Map(), storage = storageId) => unpickle(stream, allowed, storage);
  const [, version] = [await next(), await next(), await next()];
  if (version !== 1001) throw fault("a legacy file");
  const [told, sizes] = [new Map(), new Map()];
  const begin = stream.at;
  const isClass = (id) => id instanceof Tuple && id[0] === "module" && id[1] instanceof StandIn;
  // The numbers stand behind the pickle: a first look at it tells what they are.
  const noting = new Map([...BUILDERS].map(([name, made]) => [name, name.startsWith("torch._utils._rebuild_tensor") ? first : made]));
  await next(noting, (id) => {
    if (isClass(id)) return id[1];
    const [dtype, key, numbers] = storageId(id);
    told.set(key, [dtype, numbers]);
    return new Stored([0], "float64");
  });
  const keys = await next();
  stream.tells = true;
  for (const key of keys) {
    checkIs(key, "str");
    if (!told.has(key)) throw fault("is no tensor's", key);
    const [dtype, numbers] = told.get(key);
    if (long(viewOf(await stream.take(8)), 0) !== numbers) throw fault("numbers it should", key, numbers);
    stream.skip(numbers * dtype.size);
    sizes.set(key, numbers * dtype.size);
  }
  const plain = storageOf((key) => {
    if (!sizes.has(key)) throw fault("storage {!r} is not there", key);
    return sizes.get(key);
  }, "little");
  return unpickle(new Stream(blob, begin), BUILDERS, (id) => (isClass(id) ? id[1] : plain(id)));
};

// JSON as json.loads reads it; twice makes the error for a name that is there twice.
const parseJson = (text, twice = () => new Error()) => {
  const token = /[ \t\n\r]*(?:([{}[\],:]|$)|("(?:[^"\\\0-\x1f]|\\.)*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null))/uy;
  const next = () => token.exec(text).slice(1);
  const unquoted = (string) => {
    if (/\p{Cs}/u.test(JSON.parse(string))) throw new Error();
    return JSON.parse(string);
  };
  const value = ([sign, string, number, word]) => {
    if (string) return unquoted(string);
    if (word) return JSON.parse(word);
    if (number) {
      if (!Number.isFinite(Number(number))) throw fault("a number out of range");
      return /^\d+$/.test(number) ? whole(BigInt(number)) : floating(Number(number));
    }
    const [found, close] = { "{": [new Map(), "}"], "[": [[], "]"] }[sign];
    for (let one = next(); one[0] !== close || found.length || found.size; one = next()) {
      if (sign === "[") found.push(value(one));
      else {
        const key = unquoted(one[1]);
        if (next()[0] !== ":") throw new Error();
        if (found.has(key)) throw twice(key);
        found.set(key, value(next()));
      }
      const [mark] = next();
      if (mark === close) break;
      if (mark !== ",") throw new Error();
    }
    return found;
  };
  const found = value(next());
  if (next()[0] !== "") throw new Error();
  return found;
};

const readSafetensors = async (blob) => {
  const length = long(viewOf(await bytesOf(blob, 0, 8)), 0);
  if (length > rules.max_header || length > blob.size - 8) throw fault("cannot have a header", blob.size, length);
  try {
    const header = parseJson(utf8(await bytesOf(blob, 8, 8 + length)), (name) => fault("occurs twice", name));
    if (!(header instanceof Map)) throw fault("the header is no JSON");
    const metadata = header.get("__metadata__") ?? new Map();
    header.delete("__metadata__");
    for (const entry of [metadata, ...header.values()]) if (!(entry instanceof Map)) throw fault("{!r} is no JSON", entry);
    if ([...metadata.values()].some((value) => typeof value !== "string")) throw fault("something else than strings");
    return laidOut(header, blob, blob.size - 8 - length);
  } catch (error) {
    throw fault("damaged header", (error instanceof Fault ? error : fault("it is no JSON")).message);
  }
};
const laidOut = (header, blob, size) => {
  const areNumbers = (list) => Array.isArray(list) && list.every((n) => typeName(n) === "int");
  const entries = [...header].map(([name, entry]) => {
    const [dtype, shape, offsets] = ["dtype", "shape", "data_offsets"].map((key) => entry.get(key));
    if (typeof dtype !== "string" || !areNumbers(shape) || !areNumbers(offsets) || offsets.length !== 2) throw fault("needs dtype", name, entry);
    return [name, dtype, shape, ...offsets];
  });
  const found = new Map();
  let end = 0;
  for (const [name, dtype, shape, begin, stop] of entries.sort((a, b) => Number(a[3] - b[3]) || Number(a[4] - b[4]))) {
    if (begin !== end) throw fault("data_offsets [{}", name, begin, stop, begin < end ? said("overlaps") : said("leaves a hole"));
    const plain = rules.safetensors[dtype];
    if (!plain && !rules.packed.includes(dtype)) throw fault("of an unknown dtype", name, dtype);
    const bytes = stop - begin;
    const wanted = plain && shape.reduce((product, n) => product * BigInt(n), BigInt(sizeOf(plain)));
    if (plain && BigInt(bytes) !== wanted) throw fault("of shape {}, needs", name, dtype, shape, wanted, bytes);
    found.set(name, Object.assign(new Stored(shape, plain ?? dtype, bytes), { blob, at: blob.size - size + begin }));
    end = stop;
  }
  if (end !== size) throw fault("bytes of data", end, size);
  return found;
};

const readNpz = async (blob, { members }) => {
  const before = Math.min(...members.map(({ offset }) => offset));
  if (members.length && before) throw fault("several files in one?", before);
  const total = members.reduce((sum, { size }) => sum + size, 0);
  if (total > Math.max(rules.npz_ratio * blob.size, rules.npz_anyway)) throw fault("bytes unpack to", blob.size, total);
  const found = new Map();
  for (const { name: file, method, packed, size, ...member } of members) {
    const name = file.replace(/\.npy$/, "");
    if (name === file) throw fault("is no array", name);
    if (method !== 0 && method !== 8) throw fault("that NumPy does not write", name);
    if (found.has(name)) throw fault("occurs twice", name);
    const start = await startOf(blob, member);
    const part = blob.slice(start, start + Math.min(packed, 2 ** 16));
    found.set(name, arrayInside(name, await bytesOf(method ? await unpacked(part, 2 ** 12) : part, 0, 2 ** 16), size));
  }
  return found;
};
const arrayInside = (name, bytes, size) => {
  if (latin(bytes.subarray(0, 6)) !== "\x93NUMPY") throw new Fault("the magic string is not correct");
  const [, , , , , , major, minor] = bytes;
  if ((major !== 1 && major !== 2) || minor) throw fault("an array header", name, `(${major}, ${minor})`);
  const begin = 8 + 2 * major;
  const length = numberAt(viewOf(bytes.subarray(8)), `u${2 * major}`);
  const [, code, sizes] = latin(bytes.subarray(begin, begin + length)).match(/'descr': *('[^']*'|\[.*\]), *'fortran_order': *(?:True|False), *'shape': *\(([\dL, ]*)\)/);
  const shape = (sizes.match(/\d+/g) ?? []).map(Number);
  const descr = code.replaceAll("'", "");
  if (/O/.test(descr)) throw fault("{!r} holds Python objects, and", name);
  const left = size - begin - length;
  const [, kind, width] = descr.match(/^[<>|=]?(\w)(\d+)$/) ?? [];
  const dtype = kind ? numpyName(descr) : code;
  if (kind && count(shape) * width * (kind === "U" ? 4 : 1) !== left) throw fault("of shape {}, does not fit", name, dtype, tupled(shape), left);
  return new Stored(shape, dtype, left);
};

const readGguf = async (blob) => {
  const stream = new Stream(blob, 4);
  const [STRING, ARRAY] = [8, 9];
  const long = () => stream.number("u8");
  const text = async () => new TextDecoder().decode(await stream.take(await long()));
  const value = async (kind) => {
    const code = String(rules.gguf_values[kind]).replace(/[<|]/, "");
    if (kind === STRING) return text();
    if (kind !== ARRAY) return stream.number(code === "?" ? "?1" : code);
    const [inner, times] = [await stream.number("u4"), await long()];
    if (inner === STRING) for (let i = 0; i < times; i++) stream.skip(await long());
    else if (inner === ARRAY) for (let i = 0; i < times; i++) await value(ARRAY);
    else stream.skip(times * (String(rules.gguf_values[inner]).match(/\d/) ?? 1));
  };
  const version = await stream.number("u4");
  if (version !== 2 && version !== 3) throw fault("convert it with the package", version % 65536 ? `of version ${version}` : "big-endian");
  const [tensors, pairs] = [await long(), await long()];
  stream.tells = true;
  const [metadata, infos, found] = [new Map(), new Map(), new Map()];
  for (let i = 0; i < pairs; i++) metadata.set(await text(), await value(await stream.number("u4")));
  for (let i = 0; i < tensors; i++) {
    const [name, axes, shape] = [await text(), await stream.number("u4"), []];
    while (shape.length < axes) shape.unshift(await long());
    const [kind, offset] = [await stream.number("u4"), await long()];
    if (axes > 32 || infos.has(name)) throw fault("is there twice, or", name, axes);
    infos.set(name, [shape, kind, offset]);
  }
  const alignment = metadata.get("general.alignment") ?? 32;
  if (!(alignment >= 1)) throw fault("an alignment of", alignment);
  const begin = Math.ceil(stream.at / alignment) * alignment;
  for (const [name, [shape, kind, offset]] of infos) {
    const plain = rules.gguf_plain[kind];
    if (!plain && !rules.gguf_types[kind]) throw fault("which ggml had not", name, kind);
    const [label, per, size, known] = plain ? [plain, 1, sizeOf(plain), true] : rules.gguf_types[kind];
    if (!plain && (!shape.length || shape.at(-1) % per)) throw fault("has no whole blocks", name, tupled(shape), per, label);
    const bytes = (count(shape) / per) * size;
    within(blob, begin + offset + bytes);
    found.set(name, known ? new Stored(shape, label, bytes) : Object.assign(new StandIn(label), { said: `${label} blocks of shape ${tupled(shape)}, not converted` }));
  }
  return found;
};

// ---- Which kind ----

const trimmed = (head) => head.replace(/^\xef\xbb\xbf/, "").trimStart();
const isJson = (head) => /^\{\s*["}]/.test(trimmed(head));
// What a file is, and what to do about it.
const recognised = (head) => {
  if (!head) return [said("an empty"), said("was the disk full")];
  const known = rules.others.find(([where, magic]) => head.startsWith(magic, where)) ?? rules.texts.find(([where, start]) => trimmed(head).toLowerCase().startsWith(start, where));
  if (known) return known.slice(2);
  if (isJson(head)) return rules.json;
  if (/^[\n\t\x20-\x7e]*$/.test(head.slice(0, 512))) return ["text", `it begins with ${repr(head.slice(0, 40))}`];
  const hex = [...head.slice(0, 8)].map((c) => c.charCodeAt(0).toString(16).padStart(2, "0"));
  return [said("no checkpoint"), said("begins with the bytes", hex.join(" "))];
};
const elsewhere = (what) => new Fault(say("This is {what}. This page does not read it: python -m snippets.describe does.", { what }));

const readZip = async (blob) => {
  const zip = await zipOf(blob).catch(() => {
    throw new Fault(`this is ${said("of torch or NumPy")}`);
  });
  const names = zip.members.map(({ name }) => name);
  const isIn = (...ends) => names.some((name) => ends.includes(name.split("/").at(-1)));
  if (blob.name?.endsWith(".distcp") && zip.members.every(({ offset }) => offset)) throw elsewhere("a part of a folder of torch.distributed.checkpoint");
  if (isIn("extern_modules")) throw elsewhere("a torch.package");
  if (isIn("constants.pkl")) return readScript(blob, zip);
  if (isIn("archive_format", "serialized_exported_program.json")) return readExported(blob, zip);
  if (names.some((name) => name.endsWith("/data.pkl"))) return readTorchZip(blob, zip);
  if (names.every((name) => name.endsWith(".npy"))) return readNpz(blob, zip);
  const isKeras = names.some((name) => name.endsWith(".weights.h5"));
  throw fault("It holds", isKeras ? said("a Keras model", rules.section) : said("of something else"), names.sort().slice(0, 5));
};

const readFile = async (blob, folder) => {
  const head = latin(await bytesOf(blob, 0, 2 ** 16));
  const is = (...starts) => starts.some((start) => head.startsWith(start));
  const matches = (pattern) => new RegExp(`^(?:${pattern})`, "s").test(head);
  if (is("PK\x03\x04", "PK\x05\x06")) return readZip(blob);
  if (head.startsWith("\0\0\0", 5) && /^[ \t\r\n]*\{/.test(head.slice(8))) return readSafetensors(blob);
  if (rules.legacy.some((magic) => head.slice(0, 32).includes(magic))) return readLegacy(blob);
  if (is(...rules.pickles)) return ofPaddle(await readPickle(blob));
  if (is("GGUF")) return readGguf(blob);
  if (matches(rules.flax)) throw elsewhere("a msgpack of Flax");
  if (latin(await bytesOf(blob, Math.max(blob.size - 8, 0), blob.size)) === rules.table) throw fault("the index of a TensorFlow", rules.tensorflow);
  if (matches(rules.onnx)) throw elsewhere("an ONNX model");
  if (isJson(head) && head.includes('"weight_map"')) return readSharded(blob, folder);
  const [what, cure] = recognised(head);
  if (what.includes("known here") && new RegExp(rules.data).test(blob.name)) throw fault("this is {}: {}", said("named as the data"), said("with its index", rules.tensorflow));
  throw fault("this is {}: {}", what, cure);
};

// paddle.save writes a pickle with an entry of its own; uint16 stands for bfloat16.
const ofPaddle = (found) => {
  if (!(found instanceof Map) || !found.delete(rules.paddle)) return found;
  for (const value of found.values()) if (value instanceof Stored && value.dtype === "uint16") value.dtype = "bfloat16";
  return found;
};

const readSharded = async (index, folder) => {
  const places = parseJson(await textOf(index), () => fault("a name twice")).get("weight_map");
  if (!(places instanceof Map) || [...places.values()].some((name) => typeof name !== "string")) throw fault("without a weight_map");
  const shards = new Set(places.values());
  for (const name of shards) {
    if (/^\/|(^|\/)\.\.(\/|$)|\\|:/.test(name) || !name) throw fault("outside of the folder", name);
    if (!folder.has(name)) throw fault("was it not downloaded?", name);
  }
  const [found, holders] = [new Map(), new Map()];
  for (const shard of shards) {
    const entries = await read(folder.get(shard), folder);
    if (!(entries instanceof Map)) throw fault("holds no dict", shard);
    for (const [name, value] of entries) {
      if (holders.has(name)) throw fault("{!r} again", name, holders.get(name)[0], shard);
      if (value.place) value.place = `${shard}:${value.place}`;
      holders.set(name, [shard, value]);
    }
  }
  for (const [name, shard] of places) {
    if (holders.get(name)?.[0] !== shard) throw fault("where the index has it", name, shard);
    found.set(name, holders.get(name)[1]);
  }
  return found;
};

// What one file of a folder holds, {name: file}. Whatever else goes wrong is damage.
const read = async (blob, folder = new Map()) => {
  try {
    return await readFile(blob, folder);
  } catch (error) {
    throw error instanceof Fault ? error : fault("it is cut off");
  }
};

// What several files hold, or a folder of them: load_folder() of snippets/checkpoints.
const readAny = async (folder) => {
  const names = [...folder.keys()].sort();
  if (names.includes(".metadata")) throw elsewhere("a folder of torch.distributed.checkpoint");
  if (names.includes("data.pkl")) throw elsewhere("a .pt that was unpacked");
  if (names.includes("saved_model.pb")) throw fault("this is {}: {}", said("a SavedModel"), rules.tensorflow.replace("it", "variables/variables in it"));
  const found = [...rules.files, ...names.filter((name) => name.endsWith(".index.json"))].find((name) => names.includes(name));
  if (found) return read(folder.get(found), folder);
  throw fault("a folder: load one", names.slice(0, 5));
};
