// What may a tensor of this name and shape be? Solves the axes as candidates() in snippets/storage.py.
const form = document.querySelector(".finder");
const tensors = JSON.parse(document.querySelector("#stored").textContent);
// Below it stands the table of all names: from it come the links, and the shapes in their colours.
const pages = new Map([...document.querySelectorAll("article td a")].map((a) => [a.textContent, a.href]));
const shapes = new Map([...document.querySelectorAll("article td code")].map((code) => [code.textContent, code]));

const solve = (axes, shape, spatial) => {
  if (axes[0] === "shape") return {}; // of the array that was given: any
  const trees = axes.slice(1);
  if (trees.at(-1)?.[0] === "spread") {
    const rest = shape.length - trees.length + 1;
    if (rest < 1 || (spatial && spatial !== rest)) return null;
    trees.splice(-1, 1, ...Array(rest).fill(null));
  }
  if (trees.length !== shape.length) return null;
  const sizes = {};
  for (const [i, tree] of trees.entries()) {
    if (typeof tree === "number" && tree !== shape[i]) return null;
    const [operation, times, name] = typeof tree === "string" ? ["*", 1, tree] : Array.isArray(tree) ? tree : [];
    if (operation !== "*" || typeof times !== "number") continue;
    const size = shape[i] / times;
    if (!Number.isInteger(size) || (sizes[name] ?? size) !== size) return null;
    sizes[name] = size;
  }
  return sizes;
};

// Whether the condition holds, as far as sizes tell.
const exists = (when, sizes) => !namesIn(when).every((name) => Object.hasOwn(sizes, name)) || evaluate(when, sizes);

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
    item.append(link, ` ${given.join(", ")} `, shapes.get(written(axes)).cloneNode(true));
    list.append(item);
  }
};

form.hidden = false;
form.addEventListener("input", show);
form.addEventListener("submit", (event) => event.preventDefault());
show();
