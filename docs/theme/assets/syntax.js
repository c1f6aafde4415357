// The tree of a program, as @lezer/python parses it: {kind, text, from, line, kids, wrong}.
const treeOf = (text) => {
  const starts = [0];
  for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) starts.push(i + 1);
  const lineOf = (position) => {
    let [low, high] = [0, starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= position) low = middle;
      else high = middle;
    }
    return low + 1;
  };
  const nodeOf = (at) => {
    const node = { kind: at.name, from: at.from, text: text.slice(at.from, at.to), line: lineOf(at.from), kids: [], wrong: at.type.isError ? at : null };
    for (let child = at.firstChild; child; child = child.nextSibling) {
      if (child.name === "Comment") continue;
      const kid = nodeOf(child);
      node.wrong ??= kid.wrong;
      node.kids.push(kid);
    }
    return node;
  };
  return { body: nodeOf(python.parser.parse(text).topNode).kids, lineOf };
};
const split = (kids, by = ",") => {
  const parts = [[]];
  for (const kid of kids) {
    if (kid.kind === by) parts.push([]);
    else parts.at(-1).push(kid);
  }
  return parts.filter((part) => part.length);
};
const statementsOf = (body) => body.kids.filter(({ kind }) => kind !== ":");

// a < b < c, and its operators
const chain = (node) => (node.kind === "BinaryExpression" && /^(CompareOp|in|is|not)$/.test(node.kids[1].kind) ? [...chain(node.kids[0]), node] : [node]);
const operator = (node) => node.kids.slice(1, -1).map((kid) => kid.text).join(" ");

// [{name, star, value}] of a function
const parameters = new WeakMap();
const parametersOf = (list) => {
  if (!list) return [];
  if (parameters.has(list)) return parameters.get(list);
  const found = split(list.kids.filter(({ kind }) => !/^[()]$/.test(kind))).flatMap((part) => {
    const star = /^\*\*?$/.test(part[0].kind) ? part[0].kind : "";
    const name = part.find(({ kind }) => kind === "VariableName")?.text;
    const equals = part.findIndex(({ kind }) => kind === "AssignOp");
    return name ? [{ name, star, value: equals < 0 ? null : part[equals + 1] }] : [];
  });
  parameters.set(list, found);
  return found;
};

const unclosed = (node) => {
  const opens = node.kids.find(({ kind }) => /^[([{]$/.test(kind));
  if (opens && !node.kids.some(({ kind }) => /^[)\]}]$/.test(kind))) return opens;
  for (const kid of node.kids) {
    const found = unclosed(kid);
    if (found) return found;
  }
  return null;
};

const stringOf = (text) => {
  const [, quote, inner] = text.match(/^\w*("""|'''|"|')([^]*)\1$/) ?? [];
  return quote === undefined ? text : inner.replace(/\\(["'\\])/g, "$1");
};

// Lines of an __init__ begin somewhere; a console marks its own.
const dedented = (text) => {
  const plain = text
    .replace(/^[ \t]*(>>>|\.\.\.) ?/gm, "")
    .replace(/(?<![\w.])(\d[\d_]*)\.(?=[^\w.]|$)/gm, "$1.0") // the parser takes "0. else" for an attribute
    .replaceAll("\t", "    ")
    .replaceAll("\r", "");
  const lines = plain.split("\n");
  const depth = (line) => line.length - line.trimStart().length;
  const full = lines.filter((line) => line.trim());
  const [first, ...rest] = full;
  // Of what was copied from the middle of its first line, the others stand deeper.
  const others = rest.length && !/:\s*(#.*)?$/.test(first) && !/[([{,\\]\s*$/.test(first) && depth(first) < Math.min(...rest.map(depth)) ? rest : full;
  const cut = Math.min(...others.map(depth), Infinity);
  return lines.map((line) => line.slice(Math.min(cut, depth(line)))).join("\n");
};
