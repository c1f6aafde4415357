// The search, in a worker: takes the messages that Material sends to its own and answers alike.
//
// A page is found by its words (BM25: a rare word counts more, a page that is full of it a little
// more), by where they stand (title and description, heading, text), and by how many of them
// follow each other in one section as in the query: a pasted error message is found by that.

const WORD = /\p{sc=Han}+|(?:(?!\p{sc=Han})[\p{L}\p{N}_])+/gu;
const MARKUP = /<[^>]*>|&#?\w+;/g;
const STOP = new Set(
  "a an and any are as at be but by can do does for from has have how i if in into is it its my not of on or so than that the then there this to use was when where will with you your".split(" "),
);
// A page is known by its address, title and description; apart from these it has headings and text.
const FIELDS = {
  identity: { factor: 2, saturation: 0.4, length: 0.2 },
  content: { factor: 1, saturation: 1.2, length: 0.6 },
};
const [HEADING, TOLD, PART, BEGUN, COUNT, RUN, WHOLE] = [3, 0.4, 0.4, 0.5, 0.15, 0.5, 2];
const MOST = 20; // pages
const NUMBER = /^\d[\dx]*$/;

// "weights" and "weight", "transposed" and "transpose", "initialize" and "initialisation" meet.
// So do "conv1" and "conv", as the second of several is called.
const stem = (given) => {
  const word = given.replace(/^([a-z]{3,})\d$/, "$1");
  if (!/^[a-z]+$/.test(word)) return word;
  const short = word.replace(/iz/, "is").replace(/(?:ations?|ing|ed|es|e|s)$/, "");
  return (short.length < 3 ? word : short).replace(/(..)(.)\2$/, "$1$2").replace(/y$/, "i");
};

// What one word is found by: itself, and if it is made of several, "weight_ih_l0" or "BatchNorm2d",
// each of them. A Chinese phrase is its pairs of neighbours, which needs no dictionary, and itself.
const partsOf = (word) => {
  const parts = word.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+[a-z]*/g) ?? [];
  return parts.length < 2 ? [] : parts.filter((part) => /\D./.test(part)).map((part) => stem(part.toLowerCase()));
};
const pairsOf = (run) => {
  const signs = [...run];
  return signs.length < 2 ? signs : signs.slice(1).map((sign, i) => signs[i] + sign);
};
const termsOf = (text) =>
  (text.match(WORD) ?? []).flatMap((word) =>
    /^\p{sc=Han}/u.test(word)
      ? pairsOf(word).map((term, i) => ({ term, word: term, parts: i || word.length < 3 ? [] : [word] }))
      : [{ term: stem(word.toLowerCase()), word, parts: partsOf(word) }],
  );
const plain = (html) => html.replace(MARKUP, (found) => (found[0] === "&" ? " " : /^<\/?code>/.test(found) ? "" : " "));

let pages, fields, known;

const clean = (text) => text.replace(/\u200b/g, "");

const build = (docs) => {
  pages = new Map();
  fields = {};
  for (const field in FIELDS) fields[field] = { terms: new Map(), lengths: new Map() };
  for (const doc of docs) {
    const address = doc.location.split("#")[0];
    const [title, text] = [clean(doc.title), clean(doc.text)];
    if (!pages.has(address)) {
      const names = [address.replace(/-/g, " "), title, ...(doc.tags ?? [])];
      const description = names.pop();
      const name = add("identity", address, names.join(" / "), 1);
      const told = add("identity", address, description, TOLD);
      pages.set(address, { name: spaced(name), told: spaced(told), sections: [], boost: doc.boost ?? 1 });
    }
    const heading = add("content", address, title, HEADING);
    const row = add("content", address, text, 1);
    const holds = new Set([...heading, ...row].flatMap(({ term, parts }) => [term, ...parts]));
    const shownText = text || clean(doc.tags?.at(-1) ?? "");
    pages.get(address).sections.push({ location: doc.location, title, text: shownText, holds, heading: spaced(heading), row: spaced(row), all: allOf([...heading, ...row]) });
  }
  for (const field of Object.values(fields)) field.average = [...field.lengths.values()].reduce((sum, n) => sum + n, 0) / pages.size;
  known = [...new Set(Object.values(fields).flatMap(({ terms }) => [...terms.keys()]))].sort();
};

const spaced = (terms) => ` ${terms.flatMap(({ term }) => (NUMBER.test(term) ? [] : term)).join(" ")} `;

const allOf = (terms) => ` ${terms.map(({ term }) => term).join(" ")} `;

const add = (name, page, html, weight) => {
  const { terms, lengths } = fields[name];
  const found = termsOf(plain(html));
  const count = (term, amount) => {
    const there = terms.get(term) ?? terms.set(term, new Map()).get(term);
    there.set(page, (there.get(page) ?? 0) + amount);
  };
  for (const { term, parts } of found) {
    count(term, weight);
    for (const part of parts) count(part, weight * PART);
  }
  lengths.set(page, (lengths.get(page) ?? 0) + found.length);
  return found;
};

// The words that begin so: whoever types has not come to the end of one, or means all of them.
const beginning = (start) => {
  if (/^(?:\d|[^\p{sc=Han}]{1,2}$)/u.test(start)) return [];
  let [low, high] = [0, known.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (known[middle] < start) low = middle + 1;
    else high = middle;
  }
  const found = [];
  while (known[low]?.startsWith(start)) found.push(known[low++]);
  return found;
};

const has = (term) => Object.values(fields).some(({ terms }) => terms.has(term));

// "embeddi" is not there, as words are kept without their endings: take off as much from it.
const nearest = (word) => {
  const whole = beginning(word);
  if (whole.length) return whole;
  for (let end = word.length - 1; end > Math.max(3, word.length - 6); end--)
    if (has(word.slice(0, end))) return [word.slice(0, end)];
  return [];
};

const rarity = (n) => Math.log(1 + (pages.size - n + 0.5) / (n + 0.5));

// What a query asks for: each of its words as {term: weight}, and those that follow each other.
const ask = (query) => {
  const all = termsOf(query.replace(/torch\.Size/g, " ")); // as a shape is printed
  const telling = all.filter(({ word }) => !STOP.has(word.toLowerCase()));
  const words = new Map();
  for (const { term, word, parts } of telling.length ? telling : all) {
    const begun = (has(term) ? beginning(word.toLowerCase()) : nearest(word.toLowerCase())).map((t) => [t, BEGUN]);
    const asked = new Map([...begun, [term, 1]].filter(([t]) => has(t)));
    words.set(term, { word: word.toLowerCase(), asked, weight: NUMBER.test(term) ? COUNT : 1 });
    for (const part of parts)
      if (!words.has(part)) words.set(part, { asked: new Map([[part, 1]]), weight: asked.size ? PART : 1 });
  }
  const row = all.filter(({ term }) => !NUMBER.test(term));
  const pairs = new Map(); // {two that follow each other: weight}
  row.slice(1).forEach((next, i) => {
    const common = [row[i], next].some(({ word }) => STOP.has(word.toLowerCase()));
    pairs.set(` ${row[i].term} ${next.term} `, common ? 0.5 : 1);
  });
  return { words: [...words.values()], pairs, whole: all.length < 4 ? null : allOf(all) };
};

const search = (query) => {
  const { words, pairs, whole } = ask(query);
  const scores = new Map();
  const wanted = new Map(); // {term: how rare}, to choose and to mark
  const give = (page, score) => scores.set(page, (scores.get(page) ?? 0) + score);
  for (const { asked, weight } of words) {
    for (const [name, { factor, saturation, length }] of Object.entries(FIELDS)) {
      const { terms, lengths, average } = fields[name];
      const found = new Map(); // {page: how much of this word}
      for (const [term, part] of asked)
        for (const [page, amount] of terms.get(term) ?? []) found.set(page, (found.get(page) ?? 0) + part * amount);
      const rare = weight * rarity(found.size);
      for (const term of asked.keys()) wanted.set(term, Math.max(rare, wanted.get(term) ?? 0));
      for (const [page, amount] of found) {
        const there = amount / (1 - length + (length * lengths.get(page)) / average);
        give(page, (factor * rare * there) / (there + saturation));
      }
    }
  }
  const inRow = new Map();
  for (const [pair, weight] of pairs) {
    const [told, read] = [[], []];
    const both = pair.trim().split(" ");
    for (const page of scores.keys()) {
      const { name, told: description, sections } = pages.get(page);
      const times = Math.max(name.includes(pair), TOLD * description.includes(pair));
      if (times) told.push([page, times]);
      for (const section of sections) {
        if (!both.every((term) => section.holds.has(term))) continue;
        const times = 2 * section.heading.includes(pair) + section.row.includes(pair);
        if (times) read.push([page, section, times]);
      }
    }
    const rare = weight * rarity(new Set(read.map(([page]) => page)).size);
    for (const [page, times] of told) give(page, FIELDS.identity.factor * RUN * times * weight * rarity(told.length));
    for (const [, section, times] of read) inRow.set(section, (inRow.get(section) ?? 0) + times * rare);
  }
  const found = [...scores].map(([page, score]) => {
    const { sections, boost } = pages.get(page);
    const best = Math.max(...sections.map((section) => inRow.get(section) ?? 0));
    const literal = whole && sections.some((section) => section.all.includes(whole)) ? WHOLE : 1;
    return { sections, score: boost * literal * (score + RUN * best) };
  });
  found.sort((a, b) => b.score - a.score);
  const terms = Object.fromEntries(words.filter(({ word }) => word).map(({ word, asked }) => [word, asked.size > 0]));
  return found
    .slice(0, MOST)
    .filter(({ score }) => score > found[0].score / 8)
    .map(({ sections, score }) => shown(sections, score, { wanted, inRow, terms }));
};

// A page and those of its sections that have to do with the query, as Material shows them.
const shown = (sections, score, { wanted, inRow, terms }) => {
  const asked = [...wanted];
  const rated = sections.map((section) => {
    const own = asked.reduce((sum, [term, rare]) => sum + (section.holds.has(term) ? rare : 0), 0);
    return { section, rate: own + (inRow.get(section) ?? 0) };
  });
  const most = Math.max(...rated.map(({ rate }) => rate));
  return rated
    .filter(({ rate }, i) => i === 0 || rate > most / 3)
    .map(({ section: { location, title, text }, rate }) => ({
      location,
      title: mark(title, wanted),
      text: teaser(text, wanted),
      score: score + rate / 1000,
      terms,
    }))
    .sort((a, b) => b.score - a.score);
};

const hits = (word, wanted) => termsOf(word).filter(({ term, parts }) => [term, ...parts].some((t) => wanted.has(t)));

// Marks the words that were asked for; of a Chinese phrase, the signs.
const mark = (html, wanted) =>
  html.replace(new RegExp(`${MARKUP.source}|${WORD.source}`, "gu"), (found) => {
    if (/^[<&]/.test(found)) return found;
    if (!/^\p{sc=Han}/u.test(found)) return hits(found, wanted).length ? `<mark>${found}</mark>` : found;
    const signs = [...found];
    const marked = (i) => [signs[i - 1] + signs[i], signs[i] + signs[i + 1], signs[i]].some((pair) => wanted.has(pair));
    return signs.map((sign, i) => (marked(i) ? `<mark>${sign}</mark>` : sign)).join("").replaceAll("</mark><mark>", "");
  });

// The part of a section that has most of what was asked for, about two lines.
const teaser = (html, wanted) => {
  const text = html.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ").trim();
  const places = [];
  for (const { 0: word, index } of text.matchAll(WORD)) {
    const weight = hits(word, wanted).reduce((sum, { term }) => sum + (wanted.get(term) ?? 0.1), 0);
    if (weight) places.push([index, weight]);
  }
  let [start, most, sum, first] = [0, 0, 0, 0];
  for (const [at, weight] of places) {
    sum += weight;
    while (places[first][0] < at - 160) sum -= places[first++][1];
    if (sum > most) [start, most] = [places[first][0], sum];
  }
  start = start < 60 ? 0 : text.lastIndexOf(" ", start - 30) + 1;
  const end = text.length < start + 200 ? text.length : text.lastIndexOf(" ", start + 200);
  return text ? `<p>${start ? "… " : ""}${mark(text.slice(start, end), wanted)}${end < text.length ? " …" : ""}</p>` : "";
};

addEventListener("message", ({ data: { type, data } }) => {
  if (type === 0) {
    build(data.docs);
    postMessage({ type: 1 });
  }
  if (type === 2) postMessage({ type: 3, data: { items: data.trim() ? search(data) : [] } });
});
