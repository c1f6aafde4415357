// Shapes in the colours of their axes, and what else the calculator and the inspector draw alike.
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

// On a phone each row is a card, as docs/extensions/cards.py says: laid out as blocks, its parts keep their roles.
const ROLES = { "thead, tbody": "rowgroup", tr: "row", "thead th": "columnheader", "tbody th": "rowheader", td: "cell" };
const asCards = (table) => {
  for (const [parts, role] of Object.entries(ROLES)) for (const part of table.querySelectorAll(parts)) part.setAttribute("role", role);
};
