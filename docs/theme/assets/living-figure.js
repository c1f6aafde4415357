// The living figure. The page holds its words, its arrays and its first state; this draws the other
// sizes, line by line as docs/extensions/figures/rows_are_outputs.py: a test compares the two.
const figure = document.querySelector(".living");
const arrays = JSON.parse(figure.dataset.arrays);
const drawing = figure.querySelector("svg g");
const names = [...drawing.querySelectorAll(".name")].map((name) => name.innerHTML);
const inputs = [...figure.querySelectorAll("input")];
const rows = inputs.filter((input) => input.type === "radio");
const box = figure.querySelector(".rows");

const dot = (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0);
const say = (x, y, text, kind = "", anchor = "middle") =>
  `<text x="${x}" y="${y}" text-anchor="${anchor}" class="${kind}">${text}</text>`;
const cells = (left, top, matrix, kind, picked, width, height) =>
  matrix.map((line, i) => line.map((number, j) => {
    const [x, y] = [left + j * width, top + i * height];
    const state = `cell ${kind}${i === picked ? " picked" : ""}`;
    return `<rect x="${x}" y="${y}" width="${width}" height="${height}" class="${state}"></rect>` +
      say(x + width / 2, y + height / 2 + 5.5, number, state);
  }).join("")).join("");
const column = (v) => v.map((number) => [number]);

const draw = (weight, x, b, y, picked) => {
  const [left, top, gap] = [62, 72, 28];
  const width = Math.min(48, Math.floor(242 / (x.length + 2)));
  const height = Math.min(48, Math.floor(240 / y.length));
  const [right, bottom] = [left + width * x.length, top + height * y.length];
  const [bias, result] = [right + gap, right + gap + width + gap];
  const [across, down] = [(left + right) / 2, (top + bottom) / 2];
  const middle = top + height * (picked + 0.5) + 5.5;
  drawing.innerHTML = [
    say(left - 17, 21.5, names[0], "name in", "end"),
    cells(left, 1, [x], "in", null, width, 30),
    `<path class="in" d="M${left} ${top - 9}H${right}"></path>`,
    say(across, top - 18, `in = ${x.length}`, "in"),
    `<path class="out" d="M${left - 9} ${top}V${bottom}"></path>`,
    say(left - 17, down - 4, "out", "out", "end"),
    say(left - 17, down + 15, `= ${y.length}`, "out", "end"),
    cells(left, top, weight, "weight", picked, width, height),
    say(right + gap / 2, middle, "+"),
    cells(bias, top, column(b), "weight", picked, width, height),
    say(result - gap / 2, middle, "="),
    cells(result, top, column(y), "out", picked, width, height),
    say(bias + width / 2, top - 9, names[1], "name"),
    say(result + width / 2, top - 9, names[2], "name out"),
    say(left, bottom + 22, names[3], "name", "start"),
  ].join("");
  // The buttons of the rows lie over the drawing, each as high as its row.
  const view = drawing.ownerSVGElement.viewBox.baseVal;
  const place = { left: left / view.width, top: top / view.height };
  place.width = (result + width - left) / view.width;
  place.height = (bottom - top) / view.height;
  for (const [side, share] of Object.entries(place)) box.style[side] = `${100 * share}%`;
};

const show = () => {
  const size = Object.fromEntries(inputs.filter((i) => i.type === "range").map((i) => [i.name, +i.value]));
  const weight = arrays.W.slice(0, size.out).map((line) => line.slice(0, size.in));
  const [x, b] = [arrays.X.slice(0, size.in), arrays.B.slice(0, size.out)];
  const y = weight.map((line, i) => dot(line, x) + b[i]);
  const row = Math.min(rows.findIndex((input) => input.checked), size.out - 1);
  rows.forEach((input, i) => { input.hidden = i >= size.out; });
  rows[row].checked = true;
  draw(weight, x, b, y, row);

  const square = size.in === size.out;
  const wrong = square ? b.map((v, j) => dot(x, weight.map((line) => line[j])) + v) : [];
  const list = (v) => `[${v.join(", ")}]`;
  const now = {
    ...size, row, work: size.out * size.in, bias: b[row], made: y[row],
    sum: weight[row].map((w, j) => `${w}·${x[j]}`).join(" + "), right: list(y), wrong: list(wrong),
  };
  for (const place of figure.querySelectorAll("[data-n]")) {
    // What stays as it was is not announced again.
    if (place.textContent !== String(now[place.dataset.n])) place.textContent = now[place.dataset.n];
  }
  figure.dataset.state = !square ? "refused" : size.in > 1 ? "silent" : "same";
};

for (const input of inputs) input.disabled = false;
figure.addEventListener("input", show);
// A mouse only points; a finger and the keys pick a row as they pick any radio button.
box.addEventListener("pointerover", ({ target, pointerType }) => {
  if (pointerType !== "mouse" || target.type !== "radio" || target.checked) return;
  target.checked = true;
  show();
});
show();
