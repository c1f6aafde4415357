// What may a tensor of this name and shape be? Solves the axes as candidates() in snippets/storage.py.
const form = document.querySelector(".finder");
const tensors = JSON.parse(document.querySelector("#stored").textContent);
// Below it stands the table of all names: from it come the links, and the shapes in their colours.
const pages = new Map([...document.querySelectorAll("article td a")].map((a) => [a.textContent, a.href]));
const shapes = new Map([...document.querySelectorAll("article td code")].map((code) => [code.textContent, code]));

const solve = (axes, shape, spatial) => {
  if (!axes.startsWith("(")) return {}; // as the array that was given, of any shape
  const texts = axes.slice(1, -1).split(/,\s*/).filter(Boolean);
  if (texts.length && texts.at(-1).startsWith("*")) {
    const rest = shape.length - texts.length + 1;
    if (rest < 1 || (spatial && spatial !== rest)) return null;
    texts.splice(-1, 1, ...Array(rest).fill(""));
  }
  if (texts.length !== shape.length) return null;
  const sizes = {};
  for (const [i, text] of texts.entries()) {
    if (/^\d+$/.test(text) && +text !== shape[i]) return null;
    const [, times = "1", name] = text.match(/^(?:(\d+) \* )?([a-z]\w*)$/) ?? [];
    if (!name) continue;
    const size = shape[i] / times;
    if (!Number.isInteger(size) || (sizes[name] ?? size) !== size) return null;
    sizes[name] = size;
  }
  return sizes;
};

// The one condition that sizes alone decide.
const exists = (when, sizes) => {
  const [, low, high] = when.match(/^0 < (\w+) < (\w+)$/) ?? [];
  return !(low in sizes && high in sizes) || (sizes[low] > 0 && sizes[low] < sizes[high]);
};

const candidates = (key, shape) =>
  tensors.flatMap(([name, pattern, axes, when, spatial]) => {
    const sizes = new RegExp(pattern).test(key) ? solve(axes, shape, spatial) : null;
    return sizes && exists(when, sizes) ? [{ name, axes, sizes }] : [];
  });

// A line as people print it: the first word is the name, the last brackets are the shape.
const read = (line) => {
  const key = line.match(/[A-Za-z_][\w.]*/)?.[0];
  const brackets = [...line.matchAll(/[([]([\d,\s]*)[)\]]/g)].at(-1)?.[1];
  return [key, brackets?.match(/\d+/g)?.map(Number) ?? (brackets === undefined ? null : [])];
};

const show = () => {
  const [key, shape] = read(form.elements.tensor.value);
  const list = form.querySelector("ul");
  list.replaceChildren();
  const found = key && shape ? candidates(key, shape) : [];
  const { none, half } = form.dataset;
  form.querySelector("output").textContent = found.length ? "" : key && shape ? none : half;
  for (const { name, axes, sizes } of found) {
    const given = Object.entries(sizes).map(([size, n]) => `${size}=${n}`);
    const textContent = `nn.${name}`;
    const link = Object.assign(document.createElement("a"), { href: pages.get(textContent), textContent });
    const item = document.createElement("li");
    item.append(link, ` ${given.join(", ")} `, shapes.get(axes).cloneNode(true));
    list.append(item);
  }
};

form.hidden = false;
form.addEventListener("input", show);
form.addEventListener("submit", (event) => event.preventDefault());
show();
