// What may a tensor of this name and shape be? Solves the axes as candidates() in snippets/storage.py.
const form = document.querySelector(".finder");
const { tensors, clues, rare, seldom } = JSON.parse(document.querySelector("#stored").textContent);
// Below it stands the table of all names: from it come the links, and the shapes in their colours.
const pages = new Map([...document.querySelectorAll("article td a")].map((a) => [a.textContent, a.href]));
const shapes = new Map([...document.querySelectorAll("article td code")].map((code) => [code.textContent, code]));

const candidates = (key, shape) =>
  tensors.flatMap(([name, pattern, axes, when, spatial]) => {
    const sizes = new RegExp(pattern).test(key) ? solve(axes, shape, spatial) : null;
    return sizes && exists(when, sizes) ? [{ name, axes, sizes }] : [];
  });

// A line as people have it: a name, and a shape in brackets, "64x3x7x7" or "64, 3, 7, 7".
const read = (line) => {
  const [key = ""] = line.match(/(?<![\w.])(?:\d+\.)*[A-Za-z_][\w.]*/) ?? [];
  const rest = line.slice(line.indexOf(key) + key.length);
  const shape = [...rest.matchAll(/[([]([\d,\s]*)[)\]]/g)].at(-1) ?? rest.match(/(?<!\w)(\d+(?:\s*[x×,]\s*\d+)*)\s*$/);
  return [key, shape ? (shape[1].match(/\d+/g) ?? []).map(Number) : null];
};

// First the class that a word decides for, by the clues of modules in which_layer.py, or whose name the word
// has; then what is frequent.
const stem = (name) => name.replace(/(Cell|\dd)$/, "");
const ranked = (key, found) => {
  const word = key.toLowerCase().split(".").slice(0, -1).filter((one) => !/^\d+$/.test(one)).at(-1) ?? "";
  const stems = new Set(found.map(({ name }) => stem(name)));
  const decides = ([names, clue, pattern]) => clue === "name" && new RegExp(pattern).test(word) && names.split(" ").some((one) => stems.has(one));
  const decided = clues.find(decides)?.[0].split(" ") ?? [...stems].filter((one) => word.includes(one.toLowerCase()));
  const rank = ({ name }) => 4 * !decided.includes(stem(name)) + 2 * rare.includes(name) + seldom.includes(name);
  return found.toSorted((a, b) => rank(a) - rank(b));
};
// Hugging Face's Linear, by the names that it has in GPT-2; transposed, as no class of torch.nn.
const isConv1D = (key, shape) => /(^|\.)(c_attn|c_fc|c_proj|q_attn)\.weight$/.test(key) && shape.length === 2;

// The question that decides between several pages.
const question = (key, shape, found) => {
  if (new Set(found.map(({ name }) => pages.get(`nn.${name}`))).size < 2) return "";
  const last = key.split(".").at(-1);
  const which = /^(weight|bias)_[ih]h/.test(last) ? "recurrent" : last === "weight" ? (["", "one", "two"][shape.length] ?? "more") : last === "bias" ? "bias" : "";
  return (form.dataset[which] ?? "").replaceAll("{rows}", shape[0]).replaceAll("{columns}", shape[1]);
};

const show = () => {
  const [key, shape] = read(form.elements.tensor.value);
  const list = form.querySelector("ul");
  list.replaceChildren();
  const found = key && shape ? ranked(key, candidates(key, shape)) : [];
  const { none, half, conv1d } = form.dataset;
  const turned = key && shape && isConv1D(key, shape);
  form.querySelector("output").textContent = found.length ? [turned ? conv1d : "", question(key, shape, found)].join(" ").trim() : key && shape ? none : half;
  for (const { name, axes, sizes } of found) {
    const given = Object.entries(sizes).map(([size, n]) => `${size}=${n}`);
    const textContent = `nn.${name}`;
    const link = Object.assign(document.createElement("a"), { href: pages.get(textContent), textContent });
    const item = document.createElement("li");
    item.append(link, ` ${given.join(", ")} `, shapes.get(written(axes)).cloneNode(true));
    list.append(item);
  }
};

form.hidden = false;
form.addEventListener("input", show);
form.addEventListener("submit", (event) => event.preventDefault());
show();
