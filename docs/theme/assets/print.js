// What print(model) tells: a module a line, or several, from its name and ( to ).
const PRINTED = /^\s*\([^()\n]+\): (?:(?:\d+ x )?[\p{L}_][\p{L}\d_.]* ?\(|\w+ containing: )/mu;
const OPENS = /^(?:\((.+?)\): )?(?:\d+ x )?([\p{L}_][\p{L}\d_.]*) ?\((.*)$/u;
const LOOSE = /\(([^()]+)\): (?:\w+ containing: )\[[^\]]*? of size ([\dx]*)[^\]]*\]/g;

// Classes of torch.nn that print their parts, and the class of each that stores something. An own
// class of the same name has others.
const PARTS = {
  MultiheadAttention: { out_proj: ["NonDynamicallyQuantizableLinear", "_LinearWithBias"] },
  TransformerEncoderLayer: { self_attn: ["MultiheadAttention"], linear1: ["Linear"], linear2: ["Linear"], norm1: ["LayerNorm"], norm2: ["LayerNorm"] },
  TransformerEncoder: { layers: ["TransformerEncoderLayer"] },
  TransformerDecoder: { layers: ["TransformerDecoderLayer"] },
  Transformer: { encoder: ["TransformerEncoder"], decoder: ["TransformerDecoder"] },
  AdaptiveLogSoftmaxWithLoss: { head: ["Linear"], tail: ["Sequential"] },
  LinearCrossEntropyLoss: { linear: ["Linear"] },
};
PARTS.TransformerDecoderLayer = { ...PARTS.TransformerEncoderLayer, multihead_attn: ["MultiheadAttention"], norm3: ["LayerNorm"] };

// Other people's classes that store nothing: the first ones never, the second ones where they have no
// children. Of the third ones some keep their table in the file: they are counted, and not named.
const EMPTY =
  /^(\w*DropPath|Drop(Block\d?d?|Connect)|StochasticDepth|Permute\w*|Rearrange|Reduce|Reshape|View|Lambda\w*|(Un)?[Ss]queeze|Transpose|SwapAxes|SelectSeq|Chomp1d|\w*[Ss]wish\w*|(?!XIELU)\w*Activation|\w*G[Ee][Ll][Uu]\w*|\w*SiLU|Mish\w*|\w*GlobalAvgPool\w*|SelectAdaptivePool\w*|\w*(Avg|Max)Pool\w*|\w*Dropout\w*|\w*Pad(ding)?(Layer|2d)?(Same)?|(De)?QuantStub|Format|Interpolate|Upsample|\w*Loss)$/;
const LEAF =
  /^(\w*(Act|GLU|Pooler|Downsample|Subsample|Patchify|UnEmbeddings|StdScaler|Integral|Attend|MatMul\w*)|\w*Fourier\w*|\w*(L2|Unweighted)\w*Norm|Interpolate\w*|Normalize|Resize|Flat)$/;
const QUIET =
  /^(\w*(Rotary|Rope|Sine|Sinusoidal|Rel)\w*(Embedding|Encoding)\w*|\w*EmbeddingSine|AnchorGenerator|DefaultBoxGenerator|MultiScaleRoIAlign|MultiScaleDeformableAttention|GeneralizedRCNNTransform|CorrBlock|Window(Dep|P)artition|SpaceToDepth|RadixSoftmax|BlurPool2d|(Unr|Rer)oll)$/;
// Their weights lie packed, in shapes that are not the layer's.
const PACKED = /quantized|quantlinear|[248]bit|bitlinear|int[48]|fp[48]|float8|qlinear|^WQ|gptq|awq|hqq|eetq|aqlm|vptq/i;

// Other people's classes that print all that they store.
const LIKE = [
  [/RMSNorm$/, /^\((\d+),\), eps=[^=,]+$/, "RMSNorm", ([n]) => ({ normalized_shape: [n], eps: null })],
  [/Embedding(s|Table)?$/, /^(\d+), (\d+)(?:, padding_idx=\d+)?$/, "Embedding", ([n, m]) => ({ num_embeddings: n, embedding_dim: m })],
  [/^Conv1D$/, /^nf=(\d+), nx=(\d+)$/, "Linear", ([nf, nx]) => ({ in_features: nx, out_features: nf })],
];

// "3, 8, kernel_size=(3, 3), padding=same" as [given, named]; null where it is none of print()'s.
const argumentsOf = (text) => {
  const parts = [];
  let depth = 0;
  let start = 0;
  for (const { 0: found, index } of text.matchAll(/'[^']*'|"[^"]*"|[,()[\]{}<>]/g)) {
    if ("([{<".includes(found)) depth++;
    else if (")]}>".includes(found)) depth--;
    else if (found === "," && !depth) {
      parts.push(text.slice(start, index));
      start = index + 1;
    }
  }
  parts.push(text.slice(start));
  const given = [];
  const named = [];
  for (const part of parts.map((one) => one.trim()).filter(Boolean)) {
    const [, key, value] = part.match(/^(?:(\w+) ?= ?)?(.*)$/s);
    if (key) named.push([key, valueOf(value)]);
    else given.push(valueOf(value));
  }
  return [given, named];
};
const CONSTANTS = { True: true, False: false, None: null };
const valueOf = (text) => {
  if (own(CONSTANTS, text)) return CONSTANTS[text];
  if (/^-?(\d[\d_]*\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text)) return Number(text.replaceAll("_", ""));
  const inner = text.replace(/^torch\.Size\((.*)\)$/s, "$1").match(/^[([]([^]*)[)\]]$/)?.[1];
  if (inner !== undefined) return argumentsOf(inner)[0];
  return text.match(/^(['"])(.*)\1$/)?.[2] ?? new Name(text);
};

const isPart = (node, wanted) => (/^(ModuleList|Sequential)$/.test(node.type) && !wanted.includes(node.type) ? node.children.every(([, child]) => isPart(child, wanted)) : wanted.includes(node.name) && Boolean(node.type || !own(PARTS, node.name)));
const hasParts = (type, children) => {
  const parts = PARTS[type];
  const rest = children.filter(([key]) => !own(parts, key));
  const all = Object.entries(parts).every(([key, wanted]) => children.some(([one, child]) => one === key && isPart(child, wanted)));
  return all && rest.every(([key, child]) => !mayStore(child) || (key === "norm" && child.type === "LayerNorm"));
};
const mayStore = (node) => !node.empty || node.children.some(([, child]) => mayStore(child));

// The class of torch.nn that prints like this one: its name is in this name, longest first, and all
// that it always prints is there.
const likes = new Map(); // of a class that is printed a hundred times
const likeOf = (name, named) => {
  const all = `${name} ${named.map(([key]) => key)} ${named.find(([key]) => key === "kernel_size")?.[1].length}`;
  if (!likes.has(all)) likes.set(all, guessed(name, named));
  return likes.get(all);
};
const guessed = (name, named) => {
  const keys = new Set(named.map(([key]) => key));
  const letters = (all) => [...all.toLowerCase()];
  const isIn = (short) => {
    const left = letters(name);
    return letters(short).every((letter) => left.includes(letter) && left.splice(0, left.indexOf(letter) + 1));
  };
  const like = [...classes].filter(([type, { prints }]) => prints?.every((key) => keys.has(key)) && isIn(type));
  if (like.length) return like.sort(([a], [b]) => b.length - a.length)[0][0];
  // A name without the axes, or of what the layer is for.
  const axes = named.find(([key]) => key === "kernel_size")?.[1].length;
  if (/conv/i.test(name) && !/transpose/i.test(name) && axes && keys.has("stride")) return `Conv${axes}d`;
  return [...keys].join() === classes.get("Linear").prints.join() ? "Linear" : undefined;
};
// These, older prints of torch's own classes leave out.
const LATER = ["bias", "track_running_stats"];

const readPrint = (text, slips) => {
  const root = { children: [], extra: "" };
  const open = [root];
  const silent = new Map(); // what is said of a class: its lines
  const unsure = new Map(); // class: the lines where it has no children, so that it may store something or nothing
  const note = (all, key, node) => all.set(key, [...(all.get(key) ?? []), node.line]);
  const unknown = (node, said, values = { type: node.name }) => note(silent, say(said, values), node);
  const attempt = (node) => {
    try {
      finish(node);
    } catch (slip) {
      if (!(slip instanceof Slip)) throw slip;
      slips.push(slip.message);
      node.type = "";
    }
  };
  const finish = (node) => {
    const { name, children, line: at } = node;
    const extra = node.extra.trim().replace(/,$/, "");
    if (open.some(({ key }) => key === "parametrizations") || node.key === "parametrizations") return;
    const parametrized = children.find(([key]) => key === "parametrizations")?.[1];
    const bare = name.replace(/^torch\.nn\.(modules\.\w+\.)?/, "");
    let plain = bare === "NonDynamicallyQuantizableLinear" || bare === "_LinearWithBias" ? "Linear" : bare;
    if (parametrized) plain = plain.replace(/^Parametrized/, "");
    const layer = classes.get(plain);
    if (layer && !layer.holds && !layer.reason?.startsWith("lazy")) {
      Object.assign(node, { type: plain, empty: !children.length || /^(Sequential|Module(List|Dict))$/.test(plain) });
      return;
    }
    const old = plain === "Linear" && extra.match(/^(\d+) -> (\d+)$/);
    const [given, named] = old ? [[Number(old[1]), Number(old[2])], []] : argumentsOf(extra);
    const keys = new Set(named.map(([key]) => key));

    if (layer && own(PARTS, plain)) {
      if (hasParts(plain, children)) {
        node.type = plain;
        const part = children.find(([key]) => key === "out_proj")?.[1];
        node.parts = !part;
        if (!part) return;
        node.values = { embed_dim: part.values.out_features, bias: part.values.bias }; // all that it prints
        node.children = [];
        return;
      }
      if (!children.length) unknown(node, "{type}() prints no sizes: it is not torch.nn's, and its print says nothing of what it stores");
      return;
    }
    if (layer?.holds && (!children.length || (extra && (parametrized || layer.prints)))) {
      if (!extra && layer.order.some((key) => !own(layer.arguments ?? {}, key))) {
        return unknown(node, "{type}() prints no sizes: it is not torch.nn's, and its print says nothing of what it stores");
      }
      const values = bound(plain, given, named, at, true);
      if (old || !layer.prints?.some((key) => !keys.has(key) && !LATER.includes(key))) {
        Object.assign(node, { type: plain, values });
        if (plain === "Linear" && !keys.has("bias")) node.untold = ["bias"];
      }
    } else if (layer?.reason?.startsWith("lazy")) bound(plain, [], [], at);
    else if (!layer && PACKED.test(name) && extra) return unknown(node, "{type} is quantised: its print does not tell how the weights are packed");
    else if (!layer && extra && !name.includes(".")) {
      const [, pattern, type, make] = LIKE.find(([names, print]) => names.test(name) && print.test(extra)) ?? [];
      const like = type ?? likeOf(plain, named);
      if (like) {
        const values = type ? make(extra.match(pattern).slice(1).map(Number)) : bound(like, given, named, at, true, true);
        Object.assign(node, { type: like, values, as: name });
        if (name === "Conv1D") node.turned = true;
      }
    }
    if (parametrized && node.type) parametrize(node, parametrized);
    if (node.type) return;
    if ((EMPTY.test(name) && !name.includes("PReLU") && !children.some(([, child]) => mayStore(child))) || ((LEAF.test(name) || (/Norm$/.test(name) && /^eps=[^,]+$/.test(extra))) && !children.length)) node.empty = true;
    else if (!children.length && !(QUIET.test(name) && !(extra && /(Emb|Enc)/.test(name)))) note(unsure, name, node);
  };
  // torch.nn.utils.parametrizations: the weight has other names, and some of what it is made of has
  // no size here.
  const parametrize = (node, { children }) => {
    node.children = node.children.filter(([key]) => key !== "parametrizations");
    delete node.untold;
    node.as = node.name;
    node.renamed = {};
    for (const [key, list] of children) {
      const made = list.children.map(([, { name }]) => name).join(", ");
      const full = `parametrizations.${key}.original`;
      node.renamed[key] = { _WeightNorm: [`${full}1`], _SpectralNorm: [full], _Orthogonal: [full] }[made] ?? [];
      const rest = { _WeightNorm: `${full}0`, _SpectralNorm: `parametrizations.${key}.0._u, _v`, _Orthogonal: `parametrizations.${key}.0.base` }[made] ?? `parametrizations.${key}`;
      unknown(node, "{type}: a print does not tell the shape of {name}", { type: node.name, name: rest });
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
      node.children.push([key, moduleOf("Parameter", node.line, { shape: sizes.split("x").filter(Boolean).map(Number) })]);
    }
  };
  for (const [i, raw] of text.split("\n").entries()) {
    const at = i + 1;
    const part = raw.trim().replace(/^Out ?\[\d+\]: */, "");
    const match = part.match(OPENS);
    if (!part || /^(>>> |print\(|In ?\[\d+\])/.test(part)) continue;
    if (open.length === 1 && root.children.length && /^def forward|^# To see more debug info/.test(part)) break; // of torch.fx
    if (part === ")") {
      if (open.length === 1) slips.push(new Slip(at, "a bracket too many").message);
      else attempt(open.pop());
    } else if (match && (match[1] !== undefined || open.length === 1)) {
      const [, key, name, rest] = match;
      const node = moduleOf("", at, { name, printed: true, extra: "", key });
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
  const counted = ([said, lines]) => say(lines.length > 1 ? "{said} ({times} times, lines {lines})" : "{said} (line {lines})", { said, times: lines.length, lines: listed(lines) });
  const count = (node) => node.children.reduce((sum, [, child]) => sum + count(child), Number(!node.empty && (!node.type || Boolean(node.as))));
  return { tops: root.children, notes: [...silent].map(counted), unsure: [...unsure].map(counted), others: root.children.reduce((sum, [, node]) => sum + count(node), 0) };
};
const listed = (lines) => lines.slice(0, 8).join(", ") + (lines.length > 8 ? ", ..." : "");
