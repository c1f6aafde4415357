// What a checkpoint holds, by its headers alone: load() of snippets/checkpoints, through File.slice.
// Nothing in a file is executed, no name in it looked up.
class Fault extends Error {} // the sentence that load() says
class Tuple extends Array {}
class Kind {
  constructor(kind, text = "") {
    Object.assign(this, { kind, text });
  }
}
class Dtype extends Kind {} // text is its name
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

// ---- As Python has it ----

const typeName = (value) => {
  if (value === null) return "NoneType";
  if (value instanceof Kind) return value.kind;
  if (value instanceof Map) return "LazyDict";
  if (Array.isArray(value)) return value instanceof Tuple ? "tuple" : "list";
  if (value instanceof Uint8Array) return "bytes";
  if (value instanceof Stored) return "tensor";
  return { boolean: "bool", number: "int", bigint: "int", string: "str" }[typeof value] ?? value.constructor.name;
};
const tupled = (items) => `(${items.join(", ")}${items.length === 1 ? "," : ""})`;
const repr = (value) => {
  if (typeof value === "string") {
    const quote = value.includes("'") && !value.includes('"') ? '"' : "'";
    return quote + escaped(value.replaceAll("\\", "\\\\").replaceAll(quote, `\\${quote}`)) + quote;
  }
  if (value instanceof StandIn) return value.said ?? (value.args ? `a pickled ${escaped(publicName(value.name))}, not rebuilt` : `the name ${escaped(publicName(value.name))}`);
  if (value instanceof Tuple) return tupled(value.map(repr));
  if (Array.isArray(value)) return `[${value.map(repr).join(", ")}]`;
  if (value instanceof Map) return `{${[...value].map((pair) => pair.map(repr).join(": ")).join(", ")}}`;
  if (value instanceof Kind) return value.text;
  return value === null ? "None" : value === true ? "True" : value === false ? "False" : String(value);
};
const publicName = (name) => name.replace(/^torch\.nn\.modules\.\w+\./, "torch.nn.");
const floating = (x) => {
  if (!Number.isFinite(x)) return new Kind("float", Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf");
  const [digits, power] = x.toExponential().split("e").map((part, i) => (i ? Number(part) : part));
  if (x && (power < -4 || power > 15)) return new Kind("float", `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`);
  return new Kind("float", (Object.is(x, -0) ? "-0" : String(x)) + (Number.isInteger(x) ? ".0" : ""));
};
const whole = (big) => (big >= -(2n ** 53n) && big <= 2n ** 53n ? Number(big) : big);
const LETTERS = { b: "bool", i: "int", u: "uint", f: "float", c: "complex" };
// The name of NumPy's dtype "<f4".
const numpyName = (code) => {
  const [, order, kind, size] = code.match(/^([<>|=]?)([a-zA-Z])(\d+)$/) ?? [];
  if (!LETTERS[kind]) return code;
  if (order === ">" && size > 1) return code;
  return kind === "b" ? "bool" : LETTERS[kind] + 8 * size;
};

// ---- Bytes ----

const bytesOf = async (blob, start, end) => new Uint8Array(await blob.slice(start, Math.min(end, blob.size)).arrayBuffer());
const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
const long = (view, at) => Number(view.getBigUint64(at, true));
const latin = (bytes) => bytes.reduce((text, byte) => text + String.fromCharCode(byte), "");
const utf8 = (bytes) => new TextDecoder().decode(bytes);
const textOf = async (blob) => utf8(await bytesOf(blob, 0, blob.size));
const cutOff = (needs, has) => new Fault(`cut off: it needs ${needs} bytes and has ${has}`);

// Bytes from the front, read some at a time; what is long is passed over.
class Stream {
  constructor(blob, position = 0) {
    Object.assign(this, { blob, base: position, bytes: new Uint8Array(), at: 0, view: null });
  }
  get position() {
    return this.base + this.at;
  }
  within(size) {
    if (this.position + size > this.blob.size) throw this.tells ? cutOff(this.position + size, this.blob.size) : new Error();
  }
  async need(size) {
    if (this.at + size <= this.bytes.length) return;
    const start = this.position;
    this.within(size);
    this.bytes = await bytesOf(this.blob, start, start + Math.max(size, 2 ** 16));
    this.view = viewOf(this.bytes);
    Object.assign(this, { base: start, at: 0 });
  }
  async take(size) {
    await this.need(size);
    this.at += size;
    return this.bytes.subarray(this.at - size, this.at);
  }
  async number(size, read = "getUint") {
    await this.need(size);
    this.at += size;
    const value = this.view[read + 8 * size](this.at - size, true);
    return typeof value === "bigint" ? whole(value) : value;
  }
  async long() {
    return this.number(8, "getBigUint");
  }
  async line() {
    let text = "";
    for (;;) {
      const byte = (await this.take(1))[0];
      if (byte === 10) return text;
      text += String.fromCharCode(byte);
    }
  }
  skip(size) {
    this.within(size);
    if (this.at + size > this.bytes.length) Object.assign(this, { base: this.position + size, bytes: new Uint8Array(), at: 0 });
    else this.at += size;
  }
}

// ---- Pickles ----

const checkIs = (value, ...kinds) => {
  if (!kinds.includes(typeName(value))) throw new Fault(`its pickle puts a ${typeName(value)} where that makes no sense`);
};
const setItems = (target, pairs) => {
  checkIs(target, "LazyDict", "StandIn");
  if (target instanceof Map) for (const [key, value] of pairs) target.set(key, value);
};
const inTwos = (items) => {
  if (items.length % 2) throw new Error();
  return Array.from({ length: items.length / 2 }, (_, i) => [items[2 * i], items[2 * i + 1]]);
};
const addItems = (target, items) => {
  checkIs(target, "list", "StandIn");
  if (Array.isArray(target)) for (const item of items) target.push(item);
};

const numpyArray = (raw, dtype, shape) => {
  if (!["bytes", "bytearray", "str"].includes(typeName(raw)) || !(dtype instanceof Dtype)) return null;
  const size = raw.length ?? raw.size;
  if (!(shape instanceof Tuple) || count(shape) * dtype.size !== size || !dtype.size) throw new Fault(`an array of ${dtype.text} does not fit its ${size} bytes`);
  return new Stored(shape, dtype.text, size);
};
const numpyScalar = (dtype, raw) => {
  const array = numpyArray(raw, dtype, new Tuple());
  if (!array) return new StandIn("numpy.generic", []);
  const [, kind, size] = dtype.code.match(/(\w)(\d+)$/);
  const view = viewOf(typeof raw === "string" ? Uint8Array.from(raw, (c) => c.charCodeAt(0)) : raw);
  const little = !dtype.code.startsWith(">");
  if (kind === "f") return size > 2 ? floating(view[`getFloat${8 * size}`](0, little)) : new Kind("float");
  if (kind === "b") return view.getUint8(0) > 0;
  if (kind === "i" || kind === "u") return whole(BigInt(view[`get${size > 4 ? "Big" : ""}${kind === "i" ? "Int" : "Uint"}${8 * size}`](0, little)));
  return new Kind(kind === "c" ? "complex" : kind === "S" ? "bytes" : "str");
};
const dtypeOf = (code, order = "<") => Object.assign(new Dtype("dtype", numpyName(order + code)), { code: order + code, size: Number(code.slice(1)) * (code[0] === "U" ? 4 : 1) });
const named = (name) => Object.assign(new Dtype(rules.later.includes(name) ? "VoidDType" : `${name[0].toUpperCase()}${name.slice(1)}DType`, name), { code: name, size: sizeOf(name) });

const written_ = (dtype) => (rules.later.includes(dtype.text) ? `[('${dtype.text}', '${dtype.size > 1 ? "<u2" : "u1"}')]` : dtype.text);
const rebuilt = (storage, offset, shape, stride, dtype = storage.dtype) => {
  if (storage.told) return new Stored(shape, dtype.text, undefined, [storage.key, offset, shape, stride, dtype.text].join()); // a first look
  const numbers = (storage.numbers * storage.dtype.size) / dtype.size;
  if (!Number.isInteger(numbers)) throw new Fault(`${storage.numbers * storage.dtype.size} bytes are no whole number of ${written_(dtype)}`);
  if (!(shape instanceof Tuple && stride instanceof Tuple) || shape.length !== stride.length || shape.length > 64) throw new Fault("a tensor's shape and stride are not two tuples of one length");
  if ([offset, ...shape, ...stride].some((n) => typeName(n) !== "int" || n < 0)) throw new Fault("a tensor's offset, shape and stride are not all counts");
  const last = Number(shape.reduce((sum, n, i) => sum + BigInt(n - 1) * BigInt(stride[i]), BigInt(offset)));
  if (shape.includes(0)) return new Stored(shape, dtype.text);
  if (last >= numbers) throw new Fault(`a tensor reads number ${last} of a storage of ${numbers}`);
  return new Stored(shape, dtype.text, undefined, [storage.key, offset, shape, stride, dtype.text].join());
};
const tensorOf = (storage, offset, shape, stride, grad, hooks, flags) => {
  checkIs(storage, "Storage");
  const marks = flags ?? new Map();
  checkIs(marks, "LazyDict");
  const other = [...marks.keys()].sort().find((key) => key !== "conj" && key !== "neg");
  if (other !== undefined) throw new Fault(`it marks a tensor as ${String(other).slice(0, 50)}, which is not conj or neg`);
  if (marks.size && rules.later.includes(storage.dtype.text)) throw new Fault(`it marks a tensor of ${storage.dtype.text} as conj or neg`);
  const tensor = rebuilt(storage, offset, shape, stride);
  tensor.place += [...marks.keys()].sort();
  return tensor;
};
const bytesOfText = (text = "", encoding = "latin1") => {
  if (typeName(text) === "bytes") return text;
  checkIs(text, "str");
  if (!["latin1", "latin-1"].includes(encoding)) throw new Fault("its pickle keeps bytes as text in an encoding that pickle never takes");
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
};
const instance = (kind, ...args) => {
  checkIs(kind, "StandIn");
  return new StandIn(kind.name, args.length === 1 && args[0] === null ? [] : args);
};
const first = (value) => value;
const PYTHON = {
  set: () => new Kind("set"),
  frozenset: () => new Kind("frozenset"),
  bytes: bytesOfText,
  bytearray: (...args) => Object.assign(new Kind("bytearray"), { size: bytesOfText(...args).length }),
  complex: () => new Kind("complex"),
  dict: () => new Map(),
};
const NUMPY = {
  "multiarray._reconstruct": instance,
  "multiarray.scalar": numpyScalar,
  "numeric._frombuffer": (raw, dtype, shape, order) => numpyArray(raw, dtype, shape) ?? new StandIn("numpy.ndarray", [raw, dtype, shape, order]),
};
const BUILDERS = new Map([
  ...["", "_v2"].map((end) => [`torch._utils._rebuild_tensor${end}`, tensorOf]),
  [
    "torch._utils._rebuild_tensor_v3",
    (storage, offset, shape, stride, grad, hooks, dtype) => {
      checkIs(storage, "Storage");
      if (dtype instanceof StandIn) return new StandIn(`${dtype.name} tensor`, []);
      if (!(dtype instanceof Dtype)) checkIs(dtype, "dtype");
      return rebuilt(storage, offset, shape, stride, dtype);
    },
  ],
  ...Object.entries(rules.storages).map(([name, dtype]) => [`torch.${name}Storage`, named(dtype)]),
  ...[...rules.dtypes, ...rules.later].map((dtype) => [`torch.${dtype}`, named(dtype)]),
  ["torch.BFloat16Storage", named("bfloat16")],
  ["torch.storage.UntypedStorage", named("uint8")],
  ...["_utils._rebuild_parameter", "_utils._rebuild_parameter_with_state", "nn.parameter.Parameter", "Size"].map((name) => [`torch.${name}`, first]),
  ["torch._tensor._rebuild_from_type_v2", (made, type, args) => call(made, args)],
  ["torch.device", (kind, index) => (index === undefined || index === null ? kind.slice(0, 20) : `${kind.slice(0, 20)}:${index}`)],
  [
    "collections.OrderedDict",
    (pairs = []) => {
      checkIs(pairs, "list", "tuple");
      return new Map(pairs);
    },
  ],
  ["collections.Counter", first],
  ["collections.defaultdict", () => new Map()],
  ["_codecs.encode", bytesOfText],
  ...["copyreg", "copy_reg"].map((name) => [`${name}._reconstructor`, (kind, base, ...args) => instance(kind, ...args)]),
  ...Object.entries(NUMPY).flatMap(([name, made]) => ["core", "_core"].map((core) => [`numpy.${core}.${name}`, made])),
  ...Object.entries(PYTHON).flatMap(([name, made]) => ["builtins", "__builtin__"].map((module) => [`${module}.${name}`, made])),
]);

const call = (made, args) => {
  checkIs(args, "tuple");
  if (made instanceof StandIn) return new StandIn(made.args ? "operator.call" : made.name, args);
  if (typeof made !== "function") checkIs(made, "function");
  if (args.length > 16) throw new Fault(`its pickle calls a function with ${args.length} arguments`);
  return made(...args);
};

const build = (target, state) => {
  if (target instanceof Map || target instanceof Stored) return target;
  checkIs(target, "StandIn");
  target.state = state;
  if (target.name === "numpy.dtype" && typeof target.args?.[0] === "string" && state?.[2] === null) {
    const [code] = target.args;
    if (/^[biufcSU][0-9]{1,9}$/.test(code) && /^[<>|=]$/.test(state[1])) target.built = dtypeOf(code, state[1]);
  } else if (target.name === "numpy.ndarray" && state?.length === 5) target.built = numpyArray(state[4], state[2], state[1]) ?? undefined;
  return finished(target);
};
const finished = (value) => value?.built ?? value;

// joblib puts the numbers of an array into the middle of a pickle, behind what it says of them.
const isJoblib = (value) => value instanceof StandIn && value.name === "joblib.numpy_pickle.NumpyArrayWrapper";
const joblibArray = async (stream, target) => {
  const [dtype, shape] = ["dtype", "shape"].map((key) => target.state.get(key));
  if (!(dtype instanceof Dtype)) checkIs(dtype, "dtype");
  if (target.state.get("numpy_array_alignment_bytes")) stream.skip(await stream.number(1));
  const size = count(shape) * dtype.size;
  stream.skip(size);
  target.built = new Stored(shape, dtype.text, size);
  return target.built;
};

const LONGEST = 4096; // bytes of a text that are kept: longer ones are numbers, passed over
// The object of one pickle; allowed maps names to what stands for them, storage finds what it refers to.
const unpickle = async (stream, allowed, storage) => {
  const [stack, marks, memo, names] = [[], [], new Map(), new Map()];
  const begin = stream.position - (stream.from ?? 0);
  const pop = () => {
    if (!stack.length) throw new Error();
    return stack.pop();
  };
  const top = () => stack[stack.length - 1];
  const sinceMark = () => {
    if (!marks.length) throw new Error();
    return stack.splice(marks.pop());
  };
  const tuple = (items) => Tuple.from(items);
  const namedAs = (name) => {
    if (name.length > 500) throw new Fault(`it needs a name of ${name.length} letters`);
    return allowed.get(name) ?? names.get(name) ?? names.set(name, new StandIn(name)).get(name);
  };
  const got = (key) => {
    if (!memo.has(key)) throw new Error();
    stack.push(finished(memo.get(key)));
  };
  const text = async (size) => utf8(await stream.take(size));
  const raw = async (size) => {
    if (size <= LONGEST) return (await stream.take(size)).slice();
    stream.skip(size);
    return Object.assign(new Kind("bytes"), { size });
  };
  const bigInt = async (size) => {
    const bytes = await stream.take(size);
    if (size > 64) return 2n ** 512n;
    return whole(BigInt.asIntN(8 * size, bytes.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n)));
  };
  for (let step = 0; ; step++) {
    if (step >= rules.max_steps) throw new Fault(`its pickle has more than ${rules.max_steps} instructions`);
    const position = stream.position - begin;
    const code = (await stream.take(1))[0];
    const op = String.fromCharCode(code);
    if (op === ".") return pop();
    else if (op === "\x80") await stream.take(1);
    else if (op === "\x95") await stream.take(8);
    else if (op === "q") memo.set(await stream.number(1), top());
    else if (op === "r") memo.set(await stream.number(4), top());
    else if (op === "p") memo.set(Number(await stream.line()), top());
    else if (op === "\x94") memo.set(memo.size, top());
    else if (op === "h") got(await stream.number(1));
    else if (op === "j") got(await stream.number(4));
    else if (op === "g") got(Number(await stream.line()));
    else if (op === "K") stack.push(await stream.number(1));
    else if (op === "M") stack.push(await stream.number(2));
    else if (op === "J") stack.push(await stream.number(4, "getInt"));
    else if (op === "I") stack.push(((line) => (line === "01" ? true : line === "00" ? false : whole(BigInt(line))))(await stream.line()));
    else if (op === "L") stack.push(whole(BigInt((await stream.line()).replace(/L$/, ""))));
    else if (op === "\x8a") stack.push(await bigInt(await stream.number(1)));
    else if (op === "\x8b") stack.push(await bigInt(await stream.number(4)));
    else if (op === "G") stack.push(floating((await stream.need(8), viewOf(await stream.take(8)).getFloat64(0))));
    else if (op === "F") stack.push(floating(Number(await stream.line())));
    else if (op === "X") stack.push(await text(await stream.number(4)));
    else if (op === "\x8c") stack.push(await text(await stream.number(1)));
    else if (op === "\x8d") stack.push(await text(await stream.long()));
    else if (op === "V") stack.push((await stream.line()).replace(/\\u(....)/g, (_, hex) => String.fromCharCode(parseInt(hex, 16))));
    else if (op === "B") stack.push(await raw(await stream.number(4)));
    else if (op === "C") stack.push(await raw(await stream.number(1)));
    else if (op === "\x8e") stack.push(await raw(await stream.long()));
    else if (op === "\x96") stack.push(Object.assign(new Kind("bytearray"), { size: (({ length, size }) => length ?? size)(await raw(await stream.long())) }));
    else if (op === "T") stack.push(latin(await stream.take(await stream.number(4))));
    else if (op === "U") stack.push(latin(await stream.take(await stream.number(1))));
    else if (op === "S") stack.push((await stream.line()).slice(1, -1));
    else if (op === "N") stack.push(null);
    else if (op === "\x88" || op === "\x89") stack.push(op === "\x88");
    else if (op === ")") stack.push(new Tuple());
    else if (op === "]") stack.push([]);
    else if (op === "}") stack.push(new Map());
    else if (op === "\x8f") stack.push(new Kind("set"));
    else if (op === "(") marks.push(stack.length);
    else if (op === "0" && marks.at(-1) === stack.length) marks.pop();
    else if (op === "0") pop();
    else if (op === "1") sinceMark();
    else if (op === "2") stack.push(top());
    else if (op === "t") stack.push(tuple(sinceMark()));
    else if (code > 0x84 && code < 0x88) {
      if (stack.length < code - 0x84) throw new Error();
      stack.push(tuple(stack.splice(0x84 - code)));
    } else if (op === "l") stack.push(sinceMark());
    else if (op === "\x91") stack.push((sinceMark(), new Kind("frozenset")));
    else if (op === "d") stack.push(new Map(inTwos(sinceMark())));
    else if (op === "a") addItems(stack.at(-2), [pop()]);
    else if (op === "e") ((items) => addItems(top(), items))(sinceMark());
    else if (op === "\x90") (sinceMark(), checkIs(top(), "set"));
    else if (op === "s") setItems(stack.at(-3), [stack.splice(-2)]);
    else if (op === "u") ((items) => setItems(top(), inTwos(items)))(sinceMark());
    else if (op === "c") stack.push(namedAs(`${await stream.line()}.${await stream.line()}`));
    else if (op === "\x93") {
      const [module, name] = stack.splice(-2);
      checkIs(name, "str");
      checkIs(module, "str");
      stack.push(namedAs(`${module}.${name}`));
    } else if (op === "Q") stack.push(storage(pop()));
    else if (op === "R" || op === "\x81") stack.push(((args) => call(pop(), args))(pop()));
    else if (op === "\x92") {
      const [made, ...rest] = stack.splice(-3);
      checkIs(made, "StandIn");
      stack.push(call(made, tuple(rest)));
    } else if (op === "i") stack.push(call(namedAs(`${await stream.line()}.${await stream.line()}`), tuple(sinceMark())));
    else if (op === "o") stack.push((([made, ...args]) => call(made, tuple(args)))(sinceMark()));
    else if (op === "b") {
      const state = pop();
      const target = build(pop(), state);
      stack.push(isJoblib(target) ? await joblibArray(stream, target) : target);
    }
    else if (rules.opcodes[op]) throw new Fault(`its pickle has ${rules.opcodes[op]} at byte ${position}, which weights never need`);
    else throw new Error();
  }
};

const storageId = (id) => {
  const [word, dtype, key, , numbers, ...view] = id instanceof Tuple ? id : [];
  const isPlain = word === "storage" && dtype instanceof Dtype && typeof key === "string" && typeof numbers === "number" && numbers >= 0 && (!view.length || (view.length === 1 && view[0] === null));
  if (!isPlain) throw new Fault("it refers to something outside that is no plain storage");
  return [dtype, key, numbers];
};
// Finds what a pickle refers to; size gives the bytes of a key.
const storageOf = (size, order) => {
  if (order !== "little" && order !== "big") throw new Fault("its byte order is neither little nor big");
  const storages = new Map();
  return (id) => {
    const [dtype, key, numbers] = storageId(id);
    if (!storages.has(key)) {
      const bytes = size(key);
      if (bytes % dtype.size) throw new Fault(`${bytes} bytes are no whole number of ${written_(dtype)}`);
      storages.set(key, new Storage(key, dtype, bytes / dtype.size));
    }
    const found = storages.get(key);
    if (found.dtype !== dtype || found.numbers !== numbers) throw new Fault(`storage ${repr(key)} has ${found.numbers} of ${written_(found.dtype)}, the pickle says ${numbers} of ${written_(dtype)}`);
    return found;
  };
};

// ---- Zip ----

const inflated = async (blob) => new Response(blob.stream().pipeThrough(new DecompressionStream("deflate-raw"))).blob();

// The members of a zip by name, in the order of its directory; an error where it is broken.
const zipOf = async (blob) => {
  const from = Math.max(0, blob.size - 65557);
  const tail = await bytesOf(blob, from, blob.size);
  const view = viewOf(tail);
  let end = tail.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  let [size, at] = [view.getUint32(end + 12, true), view.getUint32(end + 16, true)];
  let directory = from + end;
  if (end > 19 && view.getUint32(end - 20, true) === 0x07064b50) {
    const big = viewOf(await bytesOf(blob, from + end - 76, from + end - 20));
    if (big.getUint32(0, true) === 0x06064b50) [size, at, directory] = [long(big, 40), long(big, 48), directory - 76];
  }
  const start = directory - size;
  const before = start - at;
  if (start < 0) throw new Error();
  const bytes = await bytesOf(blob, start, start + size);
  const d = viewOf(bytes);
  const members = [];
  for (let i = 0; i < size; ) {
    if (d.getUint32(i, true) !== 0x02014b50) throw new Error();
    const [n, extra, comment] = [28, 30, 32].map((o) => d.getUint16(i + o, true));
    const member = { name: utf8(bytes.subarray(i + 46, i + 46 + n)), flags: d.getUint16(i + 8, true), method: d.getUint16(i + 10, true) };
    let [packed, unpacked, offset] = [20, 24, 42].map((o) => d.getUint32(i + o, true));
    for (let k = i + 46 + n; k + 4 <= i + 46 + n + extra; k += 4 + d.getUint16(k + 2, true)) {
      if (d.getUint16(k, true) !== 1) continue;
      let p = k + 4;
      const next = (value) => (value === 0xffffffff ? long(d, (p += 8) - 8) : value);
      [unpacked, packed, offset] = [next(unpacked), next(packed), next(offset)];
    }
    members.push({ ...member, packed, size: unpacked, offset: offset + before });
    i += 46 + n + extra + comment;
  }
  return { members, end: start };
};

// zip_members(): their places, which lie apart.
const placed = async (blob, { members, end: last }) => {
  const sorted = [...members].sort((a, b) => a.offset - b.offset);
  if (sorted[0]?.offset) {
    throw new Fault(`${sorted[0].offset} bytes stand before its zip: several files in one, as in a .distcp, which is a part of a folder of torch.distributed.checkpoint?`);
  }
  const heads = await Promise.all(sorted.map(({ offset }) => bytesOf(blob, offset, offset + 30)));
  const found = new Map();
  let [end, packed] = [0, 0];
  for (const [i, member] of sorted.entries()) {
    const head = viewOf(heads[i]);
    if (head.byteLength < 30 || head.getUint32(0, true) !== 0x04034b50 || member.offset < end) throw new Fault(`${repr(member.name)} does not lie where the zip says`);
    const start = member.offset + 30 + head.getUint16(26, true) + head.getUint16(28, true);
    end = start + member.packed;
    if (end > last) throw new Fault(`${repr(member.name)} ends beyond the zip's last member`);
    if (found.has(member.name)) throw new Fault(`${repr(member.name)} is there twice`);
    if (member.method) packed += member.size;
    found.set(member.name, { ...member, start });
  }
  if (packed > rules.max_inflation * blob.size) throw new Fault(`${packed} bytes are packed into ${blob.size}: a zip bomb`);
  return found;
};
const checkMember = ({ name, flags, method, packed, size }) => {
  if (flags & 1 || (method !== 0 && method !== 8)) throw new Fault(`${repr(name)} is encrypted, or neither stored nor deflated`);
  if (!method && packed !== size) throw new Fault(`${repr(name)} has not the ${size} bytes the zip tells of`);
};
const contentOf = async (blob, member) => {
  checkMember(member);
  const part = blob.slice(member.start, member.start + member.packed);
  const found = member.method ? await inflated(part) : part;
  if (found.size !== member.size) throw new Fault(`${repr(member.name)} has not the ${member.size} bytes the zip tells of`);
  return found;
};

// The one folder of a zip with this file in it: the bytes of its members, their sizes, the object of a pickle.
const folderWith = async (blob, zip, file, isNone) => {
  const members = await placed(blob, zip);
  const folders = [...members.keys()].map((name) => name.split("/")).filter(([, ...rest]) => rest.join("/") === file);
  if (folders.length !== 1) throw new Fault(`${isNone} it has ${repr([...members.keys()].sort().slice(0, 5))}`);
  const [folder] = folders[0];
  const member = (name) => {
    const found = members.get(`${folder}/${name}`);
    if (!found) throw new Fault(`its pickle needs ${repr(name)}, and there is no such member`);
    return found;
  };
  const content = (name) => contentOf(blob, member(name));
  const whole = (name) => {
    if (member(name).size > Math.max(blob.size, rules.small)) throw new Fault("its pickle, unpacked, is longer than the file: a zip bomb");
    return content(name);
  };
  const sized = (name) => {
    checkMember(member(name));
    return member(name).size;
  };
  const order = members.has(`${folder}/byteorder`) ? await textOf(await content("byteorder")) : "little";
  const unpickled = async (name, storages) => unpickle(new Stream(await whole(name)), BUILDERS, storageOf((key) => sized(storages + key), order));
  const names = [...members.keys()].filter((name) => name.startsWith(`${folder}/`)).map((name) => name.slice(folder.length + 1));
  return { names, content, whole, sized, unpickled };
};
const readTorchZip = async (blob, zip) => (await folderWith(blob, zip, "data.pkl", "a zip without one data.pkl, so not of torch.save;")).unpickled("data.pkl", "data/");

// ---- Programs: their weights ----

const isModule = (value) => value instanceof StandIn && value.state instanceof Map;
const readScript = async (blob, zip) => {
  const { content, unpickled } = await folderWith(blob, zip, "constants.pkl", "no TorchScript archive:");
  const files = new Map();
  // What of a class is a parameter or a buffer, as its source tells; null where there is no telling.
  const kept = async (name) => {
    const [, module, own] = name.match(/^(?:(.*)\.)?(.*)$/s);
    const path = `code/${(module ?? "").replaceAll(".", "/")}.py`;
    if (!files.has(path)) {
      const told = (await textOf(await content(path))).matchAll(new RegExp(rules.script_class, "gm"));
      files.set(path, new Map([...told].map(([, of, parameters, buffers]) => [of, buffers ? [...(parameters + buffers).matchAll(/"([^"]*)"/g)].map(([, one]) => one) : null])));
    }
    return files.get(path).has(own) ? files.get(path).get(own) : [];
  };
  const model = await unpickled("data.pkl", "data/");
  if (!isModule(model)) throw new Fault("its pickle holds no module");
  const [state, todo] = [new Map(), [["", model]]];
  for (let left = rules.max_steps; todo.length; ) {
    const [prefix, module] = todo.pop();
    const [names, inner] = [await kept(module.name), []];
    for (const [name, value] of module.state) {
      if ((left -= prefix.length + name.length + 1) < 0) throw new Fault("its modules contain one another without end");
      if (isModule(value)) inner.push([`${prefix}${name}.`, value]);
      else if (value instanceof StandIn && value.name.startsWith(rules.script_packed)) state.set(prefix + name, value.state);
      else if (value instanceof Stored && (names?.includes(name) ?? true)) state.set(prefix + name, value);
    }
    todo.push(...inner.reverse());
  }
  if (state.size) return state;
  const made = await unpickled("constants.pkl", "constants/");
  return new Map([...made].map((value, i) => [`CONSTANTS.c${i}`, value]));
};

const readExported = async (blob, zip) => {
  const before = zip.members.find(({ name }) => rules.exported_before.includes(name));
  if (before) return readZip(await contentOf(blob, (await placed(blob, zip)).get(before.name)));
  const { names, content, whole, sized } = await folderWith(blob, zip, "archive_format", "no file of torch.export:");
  const states = new Map();
  const folder = rules.exported_weights;
  for (const name of names.filter((one) => one.startsWith(folder) && one.endsWith(rules.exported_config))) {
    const state = new Map();
    for (const [of, told] of parseJson(await textOf(await whole(name)), () => new Error()).get("config")) {
      const [key, meta] = [folder + told.get("path_name"), told.get("tensor_meta")];
      const [shape, stride] = ["sizes", "strides"].map((which) => Tuple.from(meta.get(which).map((one) => one.get("as_int"))));
      const dtype = rules.exported_dtypes[meta.get("dtype")];
      if (told.get("use_pickle")) state.set(of, await readZip(await content(key)));
      else if (!dtype) throw new Fault(`${repr(of)} has the dtype ${meta.get("dtype")}, which is not known`);
      else state.set(of, rebuilt(new Storage(key, named(dtype), sized(key) / sizeOf(dtype)), meta.get("storage_offset").get("as_int"), shape, stride));
    }
    states.set(name.slice(folder.length, -rules.exported_config.length), state);
  }
  for (const name of names.filter((one) => one.startsWith(folder) && one.endsWith(".pt"))) states.set(name.slice(folder.length, -3), await readZip(await content(name)));
  return states.size === 1 ? [...states.values()][0] : states;
};

// ---- The other kinds ----

const readPickle = async (blob) => {
  const stream = new Stream(blob);
  const found = await unpickle(stream, BUILDERS, () => {
    throw new Fault("a plain pickle that refers to something outside of it");
  });
  if (stream.position < blob.size) throw new Fault(`a plain pickle that ends at byte ${stream.position}, and more behind it`);
  return found;
};

const readLegacy = async (blob) => {
  const stream = new Stream(blob);
  const next = (allowed, storage = storageId) => unpickle(stream, allowed, storage);
  const [, version] = [await next(new Map()), await next(new Map()), await next(new Map())];
  if (version !== 1001) throw new Fault("a legacy file, but not of version 1001");
  const told = new Map();
  const begin = stream.position;
  const isClass = (id) => id instanceof Tuple && id[0] === "module" && id[1] instanceof StandIn;
  const noting = new Map([...BUILDERS].map(([name, made]) => [name, name.startsWith("torch._utils._rebuild_tensor") ? (one) => one : made]));
  await next(noting, (id) => {
    if (isClass(id)) return id[1];
    const [dtype, key, numbers] = storageId(id);
    told.set(key, [dtype, numbers]);
    return new Stored([0], "float64");
  });
  const keys = await next(new Map());
  let position = stream.position;
  const sizes = new Map();
  for (const key of keys) {
    checkIs(key, "str");
    if (!told.has(key)) throw new Fault(`storage ${repr(key)} is no tensor's`);
    const [dtype, numbers] = told.get(key);
    if (position + 8 > blob.size) throw cutOff(position + 8, blob.size);
    if (long(viewOf(await bytesOf(blob, position, position + 8)), 0) !== numbers) throw new Fault(`storage ${repr(key)} has not the ${numbers} numbers it should`);
    position += 8 + numbers * dtype.size;
    if (position > blob.size) throw cutOff(position, blob.size);
    sizes.set(key, numbers * dtype.size);
  }
  const plain = storageOf((key) => {
    if (!sizes.has(key)) throw new Fault(`storage ${repr(key)} is not there`);
    return sizes.get(key);
  }, "little");
  return unpickle(new Stream(blob, begin), BUILDERS, (id) => (isClass(id) ? id[1] : plain(id)));
};

// JSON as json.loads reads it: a name that comes twice is told.
const parseJson = (text, twice) => {
  const token = /[ \t\n\r]*(?:([{}[\],:]|$)|("(?:[^"\\\0-\x1f]|\\.)*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null))/uy;
  const next = () => {
    const found = token.exec(text);
    if (!found) throw new SyntaxError();
    return found;
  };
  const wellFormed = (string) => {
    if (/\p{Cs}/u.test(string)) throw new SyntaxError();
    return string;
  };
  const value = ([all, sign, string, number]) => {
    if (string) return wellFormed(JSON.parse(string));
    if (number) {
      if (!Number.isFinite(Number(number))) throw new Fault("a number out of range");
      return /^\d+$/.test(number) ? whole(BigInt(number)) : floating(Number(number));
    }
    if (sign !== "{" && sign !== "[") {
      if (sign !== undefined) throw new SyntaxError();
      return JSON.parse(all);
    }
    const [found, close] = sign === "{" ? [new Map(), "}"] : [[], "]"];
    let one = next();
    if (one[1] === close) return found;
    for (;;) {
      if (sign === "[") found.push(value(one));
      else {
        if (!one[2] || next()[1] !== ":") throw new SyntaxError();
        const key = wellFormed(JSON.parse(one[2]));
        if (found.has(key)) throw twice(key);
        found.set(key, value(next()));
      }
      const [, mark] = next();
      if (mark === close) return found;
      if (mark !== ",") throw new SyntaxError();
      one = next();
    }
  };
  const found = value(next());
  if (next()[1] !== "") throw new SyntaxError();
  return found;
};

const readSafetensors = async (blob) => {
  const length = long(viewOf(await bytesOf(blob, 0, 8)), 0);
  if (length > rules.max_header || length > blob.size - 8) {
    throw new Fault(`a file of ${blob.size} bytes cannot have a header of ${length} bytes: was it cut off, or is it another format?`);
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await bytesOf(blob, 8, 8 + length));
    const header = parseJson(text, (name) => new Fault(`${repr(name)} occurs twice`));
    if (!(header instanceof Map)) throw new Fault("the header is no JSON object");
    const metadata = header.get("__metadata__") ?? new Map();
    header.delete("__metadata__");
    for (const entry of [metadata, ...header.values()]) if (!(entry instanceof Map)) throw new Fault(`${repr(entry)} is no JSON object`);
    if ([...metadata.values()].some((value) => typeof value !== "string")) throw new Fault("__metadata__ holds something else than strings");
    return laidOut(header, blob.size - 8 - length);
  } catch (error) {
    throw new Fault(`damaged header: ${error instanceof Fault ? error.message : "it is no JSON"}`);
  }
};
const laidOut = (header, size) => {
  const numbers = (list) => Array.isArray(list) && list.every((n) => typeName(n) === "int");
  for (const [name, entry] of header) {
    const [dtype, shape, offsets] = ["dtype", "shape", "data_offsets"].map((key) => entry.get(key));
    if (typeof dtype !== "string" || !numbers(shape) || !numbers(offsets) || offsets.length !== 2) throw new Fault(`${repr(name)} needs dtype, shape and data_offsets, but has ${repr(entry)}`);
  }
  const entries = [...header].map(([name, entry]) => [name, entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")]).sort(([, , , a], [, , , b]) => Number(a[0]) - Number(b[0]) || Number(a[1]) - Number(b[1]));
  const found = new Map();
  let end = 0;
  for (const [name, dtype, shape, [begin, stop]] of entries) {
    if (begin !== end) throw new Fault(`${repr(name)}, data_offsets [${begin}, ${stop}], ${begin < end ? "overlaps what is before it" : "leaves a hole before it"}`);
    const plain = rules.safetensors[dtype];
    if (!plain && !rules.packed.includes(dtype)) throw new Fault(`${repr(name)} is of an unknown dtype, ${repr(dtype)}`);
    const bytes = stop - begin;
    const wanted = plain && shape.reduce((product, n) => product * BigInt(n), BigInt(sizeOf(plain)));
    if (plain && BigInt(bytes) !== wanted) throw new Fault(`${repr(name)}, ${dtype} of shape ${repr(shape)}, needs ${wanted} bytes, not ${bytes}`);
    found.set(name, new Stored(shape, plain ?? dtype, bytes));
    end = stop;
  }
  if (end !== size) throw new Fault(`it describes ${end} bytes of data, but the file has ${size}`);
  return found;
};

const readNpz = async (blob, { members }) => {
  if (members.some(({ offset }) => offset) && Math.min(...members.map(({ offset }) => offset))) throw new Fault(`${Math.min(...members.map(({ offset }) => offset))} bytes stand before its zip: several files in one?`);
  const total = members.reduce((sum, { size }) => sum + size, 0);
  if (total > Math.max(rules.npz_ratio * blob.size, rules.npz_anyway)) throw new Fault(`its ${blob.size} bytes unpack to ${total}: np.load reads it, if you trust where it comes from`);
  const found = new Map();
  for (const { name: file, method, offset, packed, size } of members) {
    const name = file.replace(/\.npy$/, "");
    if (name === file) throw new Fault(`${repr(name)} is no array: its name does not end in .npy`);
    if (method !== 0 && method !== 8) throw new Fault(`${repr(name)} is compressed in a way that NumPy does not write`);
    if (found.has(name)) throw new Fault(`${repr(name)} occurs twice`);
    const head = viewOf(await bytesOf(blob, offset, offset + 30));
    const start = offset + 30 + head.getUint16(26, true) + head.getUint16(28, true);
    const part = blob.slice(start, start + Math.min(packed, 2 ** 16));
    found.set(name, await arrayOf(name, method ? await beginning(part) : await bytesOf(part, 0, 2 ** 16), size));
  }
  return found;
};
// What the beginning of a deflated member unpacks to.
const beginning = async (part) => {
  const reader = part.stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const chunks = [];
  try {
    for (let size = 0; size < 2 ** 12; size += chunks.at(-1).length) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
    }
  } catch {} // it goes on behind what was read
  reader.cancel().catch(() => 0);
  return bytesOf(new Blob(chunks), 0, 2 ** 16);
};
const arrayOf = (name, bytes, size) => {
  if (latin(bytes.subarray(0, 6)) !== "\x93NUMPY") throw new Fault("the magic string is not correct");
  const version = bytes[6];
  if ((version !== 1 && version !== 2) || bytes[7]) throw new Fault(`${repr(name)} has an array header of version (${version}, ${bytes[7]})`);
  const begin = version === 1 ? 10 : 12;
  const length = version === 1 ? viewOf(bytes).getUint16(8, true) : viewOf(bytes).getUint32(8, true);
  const [, code, sizes] = latin(bytes.subarray(begin, begin + length)).match(/'descr': *('[^']*'|\[.*\]), *'fortran_order': *(?:True|False), *'shape': *\(([\dL, ]*)\)/) ?? [];
  const shape = (sizes.match(/\d+/g) ?? []).map(Number);
  const descr = code.replaceAll("'", "");
  if (/O/.test(descr)) throw new Fault(`${repr(name)} holds Python objects, and unpickling can run code: save numbers, one array a name, np.savez(path, **state)`);
  const left = size - begin - length;
  const [, kind, width] = descr.match(/^[<>|=]?(\w)(\d+)$/) ?? [];
  const dtype = kind ? numpyName(descr) : code;
  if (kind && count(shape) * width * (kind === "U" ? 4 : 1) !== left) throw new Fault(`${repr(name)}, ${dtype} of shape ${tupled(shape)}, does not fit its ${left} bytes`);
  return new Stored(shape, dtype, left);
};

const GGUF = ["getUint1", "getInt1", "getUint2", "getInt2", "getUint4", "getInt4", "getFloat4", "getUint1", "text", "list", "getBigUint8", "getBigInt8", "getFloat8"];
const readGguf = async (blob) => {
  const stream = new Stream(blob);
  const one = (kind) => {
    const [, read, size] = GGUF[kind].match(/^(\w+)(\d)$/);
    return stream.number(Number(size), read);
  };
  const text = async () => {
    const size = await stream.long();
    if (size > 2 ** 20) return stream.skip(size);
    return utf8(await stream.take(size));
  };
  const value = async (kind) => {
    if (kind === 8) return text();
    if (kind !== 9) return one(kind);
    const inner = await stream.number(4);
    const times = await stream.long();
    if (inner === 8) for (let i = 0; i < times; i++) stream.skip(await stream.long());
    else if (inner === 9) for (let i = 0; i < times; i++) await value(9);
    else stream.skip(times * Number(GGUF[inner].at(-1)));
    return null;
  };
  await stream.take(4);
  const version = await stream.number(4);
  if (version !== 2 && version !== 3) throw new Fault(`a GGUF file ${version % 65536 ? `of version ${version}` : "big-endian"}: convert it with the package gguf`);
  const [tensors, pairs] = [await stream.long(), await stream.long()];
  stream.tells = true;
  const [metadata, infos, found] = [new Map(), new Map(), new Map()];
  for (let i = 0; i < pairs; i++) metadata.set(await text(), await value(await stream.number(4)));
  for (let i = 0; i < tensors; i++) {
    const name = await text();
    const axes = await stream.number(4);
    const shape = [];
    for (let k = 0; k < axes; k++) shape.unshift(await stream.long());
    const kind = await stream.number(4);
    const offset = await stream.long();
    if (axes > 32 || infos.has(name)) throw new Fault(`${repr(name)} is there twice, or has ${axes} axes`);
    infos.set(name, [shape, kind, offset]);
  }
  const alignment = metadata.get("general.alignment") ?? 32;
  if (alignment < 1) throw new Fault(`an alignment of ${alignment} bytes`);
  const begin = Math.ceil(stream.position / alignment) * alignment;
  for (const [name, [shape, kind, offset]] of infos) {
    const plain = rules.gguf_plain[kind];
    if (!plain && !rules.gguf_types[kind]) throw new Fault(`${repr(name)} has the type ${kind}, which ggml had not`);
    const [label, per, size, known] = plain ? [plain, 1, sizeOf(plain), true] : rules.gguf_types[kind];
    if (!plain && (!shape.length || shape.at(-1) % per)) throw new Fault(`${repr(name)} of shape ${tupled(shape)} has no whole blocks of ${per} ${label}`);
    const bytes = (count(shape) / per) * size;
    if (begin + offset + bytes > blob.size) throw cutOff(begin + offset + bytes, blob.size);
    found.set(name, known ? new Stored(shape, label, bytes) : Object.assign(new StandIn(label, []), { said: `${label} blocks of shape ${tupled(shape)}, not converted` }));
  }
  return found;
};

// ---- Which kind ----

const trimmed = (head) => head.replace(/^\xef\xbb\xbf/, "").replace(/^[\s]+/, "");
const isJson = (head) => /^\{\s*["}]/.test(trimmed(head));
const recognised = (head) => {
  if (!head) return "an empty file: was the disk full, or the download cut off?";
  const other = rules.others.find(([where, magic]) => head.startsWith(magic, where));
  if (other) return other.slice(2).join(": ");
  if (head.startsWith("ustar", 257)) return "a tar archive: unpack it first; PyTorch before 0.1.10 saved such files itself";
  const text = trimmed(head).toLowerCase();
  const known = rules.texts.find(([start]) => text.startsWith(start));
  if (known) return known.slice(1).join(": ");
  if (isJson(head)) return rules.json.join(": ");
  if (/^[\n\t\x20-\x7e]*$/.test(head.slice(0, 512))) return `text: it begins with ${repr(head.slice(0, 40))}`;
  const hex = [...head.slice(0, 8)].map((c) => c.charCodeAt(0).toString(16).padStart(2, "0"));
  return `no checkpoint that is known here: it begins with the bytes ${hex.join(" ")}`;
};
const elsewhere = (what) => new Fault(say("This is {what}. This page does not read it: python -m snippets.describe does.", { what }));

const readZip = async (blob) => {
  const zip = await zipOf(blob).catch(() => {
    throw new Fault("this is a zip archive, of torch or NumPy, cut off or damaged");
  });
  const names = zip.members.map(({ name }) => name);
  const ends = new Set(names.map((name) => name.split("/").at(-1)));
  if (blob.name?.endsWith(".distcp") && zip.members.every(({ offset }) => offset)) throw elsewhere("a part of a folder of torch.distributed.checkpoint");
  if (ends.has("extern_modules")) throw elsewhere("a torch.package");
  if (ends.has("constants.pkl")) return readScript(blob, zip);
  if (ends.has("archive_format") || ends.has("serialized_exported_program.json")) return readExported(blob, zip);
  if (names.some((name) => name.endsWith("/data.pkl"))) return readTorchZip(blob, zip);
  if (names.every((name) => name.endsWith(".npy"))) return readNpz(blob, zip);
  const what = names.some((name) => name.endsWith(".weights.h5")) ? `a Keras model: unpack it, and read model.weights.h5 with h5py, ${rules.section}` : "a zip archive of something else: unpack it";
  throw new Fault(`this is ${what}. It holds ${repr(names.sort().slice(0, 5))}`);
};

const readFile = async (blob, folder) => {
  const head = latin(await bytesOf(blob, 0, 2 ** 16));
  if (head.startsWith("PK\x03\x04") || head.startsWith("PK\x05\x06")) return readZip(blob);
  if (head.startsWith("\0\0\0", 5) && /^[ \t\r\n]*\{/.test(head.slice(8))) return readSafetensors(blob);
  if (rules.legacy.some((magic) => head.slice(0, 32).includes(magic))) return readLegacy(blob);
  if (rules.pickles.some((start) => head.startsWith(start))) return ofPaddle(await readPickle(blob));
  if (head.startsWith("GGUF")) return readGguf(blob);
  if (new RegExp(`^(?:${rules.flax})`, "s").test(head)) throw elsewhere("a msgpack of Flax");
  if (latin(await bytesOf(blob, Math.max(blob.size - 8, 0), blob.size)) === rules.table) throw new Fault(`this is the index of a TensorFlow checkpoint: ${rules.tensorflow}`);
  if (new RegExp(`^${rules.onnx}`, "s").test(head)) throw elsewhere("an ONNX model");
  if (isJson(head) && head.includes('"weight_map"')) return readSharded(blob, folder);
  const what = recognised(head);
  if (what.includes("known here") && new RegExp(rules.data).test(blob.name)) throw new Fault(`this is named as the data of a TensorFlow checkpoint: with its index, ${rules.tensorflow}`);
  throw new Fault(`this is ${what}`);
};

// paddle.save writes a pickle with an entry of its own; uint16 stands for bfloat16.
const ofPaddle = (found) => {
  if (!(found instanceof Map) || !found.delete(rules.paddle)) return found;
  for (const value of found.values()) if (value instanceof Stored && value.dtype === "uint16") value.dtype = "bfloat16";
  return found;
};

const readSharded = async (index, folder) => {
  const told = parseJson(await textOf(index), () => new Fault("its JSON has a name twice"));
  const places = told.get?.("weight_map");
  if (!(places instanceof Map) || [...places.values()].some((name) => typeof name !== "string")) throw new Fault("JSON without a weight_map, which says in which file each weight is");
  const shards = [...new Set(places.values())];
  for (const name of shards) {
    if (/^\/|(^|\/)\.\.(\/|$)|\\|:/.test(name) || !name) throw new Fault(`${repr(name)} would lie outside of the folder`);
    if (!folder.has(name)) throw new Fault(`${repr(name)} is not in the folder: was it not downloaded?`);
  }
  const [found, holders] = [new Map(), new Map()];
  for (const shard of shards) {
    const entries = await read(folder.get(shard), folder);
    if (!(entries instanceof Map)) throw new Fault(`${repr(shard)} holds no dict of tensors`);
    for (const [name, value] of entries) {
      if (holders.has(name)) throw new Fault(`${repr(name)} is in ${repr(holders.get(name)[0])}, and in ${repr(shard)} again`);
      if (value.place) value.place = `${shard}:${value.place}`;
      holders.set(name, [shard, value]);
    }
  }
  for (const [name, shard] of places) {
    if (holders.get(name)?.[0] !== shard) throw new Fault(`${repr(name)} is not in ${repr(shard)}, where the index has it`);
    found.set(name, holders.get(name)[1]);
  }
  return found;
};

// What one file of a folder holds, {name: file}. Whatever else goes wrong is damage.
const read = async (blob, folder = new Map()) => {
  try {
    return await readFile(blob, folder);
  } catch (error) {
    throw error instanceof Fault ? error : new Fault("it is cut off or damaged");
  }
};

// What several files hold, or a folder of them: load_folder() of snippets/checkpoints.
const readAny = async (folder) => {
  const names = [...folder.keys()].sort();
  if (names.includes(".metadata")) throw elsewhere("a folder of torch.distributed.checkpoint");
  if (names.includes("data.pkl")) throw elsewhere("a .pt that was unpacked");
  if (names.includes("saved_model.pb")) throw new Fault(`this is a SavedModel of TensorFlow: ${rules.tensorflow.replace("it", "variables/variables in it")}`);
  const found = [...rules.files, ...names.filter((name) => name.endsWith(".index.json"))].find((name) => names.includes(name));
  if (found) return read(folder.get(found), folder);
  throw new Fault(`a folder: load one of the files in it, ${repr(names.slice(0, 5))}`);
};
