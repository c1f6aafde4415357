// The page of the calculator: its box, and what stands below it.
const form = document.querySelector(".calculator");
const box = form.querySelector("textarea");
const SHARED = 2000; // characters: a longer address is cut on its way

// What reads code is loaded when there is code.
const home = document.currentScript.src;
let loaded;
const parser = () => {
  const load = (name) =>
    new Promise((done, fail) => {
      const script = Object.assign(document.createElement("script"), { src: new URL(name, home), async: false, onload: done, onerror: fail });
      document.head.append(script);
    });
  loaded ??= Promise.all(["lezer-python.js", "syntax.js", "values.js", "python.js", "code.js"].map(load));
  return loaded;
};

const rowOf = (row) => {
  const { name, shape, kind, stacked: blocks = [] } = row;
  const head = make("th", "", make("code", "", ...breakable(name)), ...(kind === "buffer" ? [` (${say("buffer")})`] : []));
  head.scope = "row";
  const size = make("td", "", grouped(count(shape)));
  if (telling.has(row)) return make("tr", "", head, make("td", "", shapeOf(row)), size, make("td", "", ...meaningOf(row)));
  const cell = make("td", "", shaped(labelled(row)));
  const axes = axesOf(row);
  if (axes.length) cell.append(make("br"), `${say("in general")} `, shaped(axes.map((axis) => [written(axis), namesIn(axis)[0], ""])));
  const said = make("td", "", say(row.row));
  if (blocks.length) said.append(make("br"), say("from the top: {blocks}", { blocks: blocks.join(",\u00a0") }));
  return make("tr", "", head, cell, size, said);
};

const bodyOf = ({ type, as, prefix, line: used, untold, rows, module, layers = [], by }) => {
  if (module) return make("tbody", "", headingOf(module), ...rows.map(rowOf));
  const told = as ? [`${say("{name} prints like", { name: as })} `] : [];
  if (type) told.push(linked(`nn.${type}`), " ");
  if (layers.length) told.push(...alternatives(layers.map(layerOf)), " ");
  if (prefix || !type) told.push(make("code", "", prefix || "state_dict()"));
  if (used) told.push(make("br"), make("code", "", used));
  if (untold.length) told.push(...small(say("print() leaves out {names}", { names: untold.join(", ") })));
  if (by) told.push(...small(say("{layers}, by its {clue}", { layers: layers.join(", "), clue: say(by) })));
  return make("tbody", "", heading("module", ...told), ...rows.map(rowOf));
};

// Blocks that are alike but for their number are drawn once: {first, last, times, items}.
const folded = (all, depth = 0) => {
  const paths = all.map(({ prefix }) => prefix.split("."));
  const numbered = (i, at) => /^\d+$/.test(paths[i][at] ?? "");
  const start = (i, at) => paths[i].slice(0, at).join(".") + all[i].root;
  // The groups from i on that share the first names, up to this number.
  const end = (i, at) => {
    let j = i;
    while (j < all.length && start(j, at) === start(i, at) && paths[j][at] === paths[i][at]) j++;
    return j;
  };
  const plain = (i, at) => {
    const { type, as, line: used, untold, rows, prefix, module } = all[i];
    const here = paths[i].slice(0, at + 1).join(".");
    const rest = prefix.slice(here.length);
    return JSON.stringify([type, as, used.replaceAll(`"${here}`, "\""), untold, rest, { ...module, name: "" }, rows.map(({ name, shape }) => [name.slice(here.length), shape])]);
  };
  const items = [];
  for (let i = 0; i < all.length; ) {
    let found = null;
    for (let at = depth; !found && at < paths[i].length; at++) {
      if (!numbered(i, at)) continue;
      const size = end(i, at) - i;
      const block = Array.from({ length: size }, (_, k) => plain(i + k, at));
      let times = 1;
      const next = () => i + times * size;
      const follows = () => next() < all.length && start(next(), at) === start(i, at) && Number(paths[next()][at]) === Number(paths[i][at]) + times && end(next(), at) === next() + size;
      while (follows() && block.every((one, k) => one === plain(next() + k, at))) times++;
      if (times > 2) {
        const name = (k) => paths[k].slice(0, at + 1).join(".");
        found = { first: name(i), last: name(next() - size), times, items: folded(all.slice(i, i + size), at + 1) };
        i = next();
      }
    }
    items.push(found ?? all[i++]);
  }
  return items;
};

// The bodies of the table as [rows, make]: what is not shown is not made.
const bodiesOf = (found) => {
  const bodies = [];
  let root = found[0]?.root;
  const several = new Set(found.map((group) => group.root)).size > 1;
  const title = (...given) => bodies.push([1, () => make("tbody", "", heading(...given))]);
  const list = (items) => {
    for (const item of items) {
      if (item.items) {
        const { first, last, times } = item;
        title("alike", say("{times} alike, {first} to {last}. The first one:", { times, first, last }));
        list(item.items);
      } else {
        if (several && (item.root !== root || !bodies.length)) title("root", make("code", "", item.root || "self"));
        root = item.root;
        bodies.push([item.rows.length + 1, () => bodyOf(item)]);
      }
    }
  };
  list(folded(found));
  return bodies;
};

const sumOf = ({ found, others, sum }) => {
  if (sum) return [sum];
  const rows = found.flatMap((group) => group.rows);
  const parameters = rows.filter(({ kind }) => kind !== "buffer");
  const buffers = rows.filter(({ kind }) => kind === "buffer");
  const numbers = (some) => grouped(some.reduce((total, { shape }) => total + count(shape), 0));
  const told = [];
  if (rows.length) told.push(say("{parameters} parameters in {tensors} tensors.", { parameters: numbers(parameters), tensors: grouped(parameters.length) }));
  if (buffers.length) told.push(say("{numbers} numbers in {buffers} buffers.", { numbers: numbers(buffers), buffers: grouped(buffers.length) }));
  if (others) told.push(say("{modules} modules of classes that are not torch.nn's may hold more.", { modules: grouped(others) }));
  return told;
};

const show = async () => {
  const text = box.value;
  if (text.trim() && !readerOf(text)) await parser();
  if (text !== box.value) return; // there is more to read by now
  const told = read(text);
  const { found, slips, unsure } = told;
  const notes = [...told.notes, ...(unsure.length ? [say("These may store something of their own, or nothing: {classes}", { classes: unsure.join(", ") })] : [])];
  const sum = sumOf(told);
  if (slips.length) sum.push(say("Not all was understood:"));
  else if (notes.length && !told.sum) sum.push(say("The print does not tell:"));
  result.querySelector("output").textContent = sum.join(" ");
  result.querySelector("ul").replaceChildren(...[...slips, ...notes].map((slip) => make("li", "", slip)));
  for (const body of [...table.tBodies]) body.remove();
  result.querySelector("button")?.remove();
  const bodies = bodiesOf(found);
  let drawn = 0;
  let rows = 0;
  for (const [length] of bodies) {
    rows += length;
    if (rows <= DRAWN || !drawn) drawn++;
  }
  const draw = (some) => {
    table.append(...some.map(([, body]) => body()));
    asCards(table);
  };
  draw(bodies.slice(0, drawn));
  table.hidden = !found.length;
  if (drawn === bodies.length) return;
  const button = make("button", "md-button", say("Show all {rows} rows", { rows: grouped(rows) }));
  button.type = "button";
  button.addEventListener("click", () => {
    draw(bodies.slice(drawn));
    button.remove();
    table.focus();
  });
  result.append(button);
};

const shared = () => {
  try {
    const text = decodeURIComponent(location.hash.slice(1));
    if (text && !document.getElementById(text)) box.value = text;
  } catch {} // not one of ours
  if (box.value !== box.defaultValue) show();
};

let waiting;
box.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(show, box.value.length < SHARED ? 0 : 200); // not at each key of a long text
  const text = box.value.length <= SHARED ? box.value : "";
  try {
    history.replaceState(null, "", text ? `#${encodeURIComponent(text)}` : location.pathname + location.search);
  } catch {} // Safari allows a hundred in half a minute
});
form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", shared);
for (const head of table.querySelectorAll(".module div")) head.firstChild.replaceWith(linked(head.firstChild.textContent));
asCards(table);
shared();
