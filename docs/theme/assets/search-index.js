// What a query finds: in a worker of search.js, or in the page itself where a browser starts no
// worker (file://).
//
// A page is found by what it is called and by its best section. MiniSearch counts and weighs (BM25+).
// Here is what a word is on a site about tensors, in English and in Chinese, and what is not there.
if (typeof importScripts === "function") importScripts("minisearch.js");

{
  const WORD = /\p{sc=Han}+|(?:(?!\p{sc=Han})[\p{L}\p{N}_])+/gu;
  const MARKUP = /<[^>]*>|&#?\w+;/g;
  const BLOCK = /<pre>.*?<\/pre>/gs;
  const NUMBER = /^\d[\dx]*$/;
  const STOP = new Set(
    "a an and any are as at be but by can do does for from has have how i if in into is it its mean means my not of on or so than that the then there this to use was what when where will with you your".split(" "),
  );
  const ASKING = /为什么|什么(?:是|意思)?|是(?=什么)|怎么|如何|[吗呢]/g;
  const LIBRARY = /\b(?:torch|nn|F|np|numpy)(?:\.[A-Za-z_]\w*)+/g;
  const QUOTED = /^\s*["“](.{2,})["”]\s*$/;
  const ERROR = /\b\w*(?:Error|Exception)\b.*/s;

  // How much a find counts, by where it stands: a word, and two that follow each other as in the query.
  const PLACES = { name: 2.5, told: 1.5, heading: 1.6, text: 1, listing: 1.25 };
  const PAIRS = { namePairs: 0.45, toldPairs: 0.28, headingPairs: 0.3, textPairs: 0.18 };
  const [PART, BEGUN, SPREAD] = [0.23, 0.19, 1.15]; // a part of a word, a beginning, each word more
  const BM25 = { k: 3.25, b: 0.7, d: 0.63 };
  const LONG = 5; // pairs of words: from here on a query is taken for a quotation
  const NOTHING = { terms: [], asked: [], inRow: 0, said: 0, rate: 0, row: 1 };
  const [MOST, FEW] = [20, 3]; // pages, of those asked for and of those near what is not here

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
  const analysed = (given) => {
    const word = given.toLowerCase();
    if (/^\p{sc=Han}/u.test(word)) {
      const signs = [...word];
      const pairs = signs.length < 2 ? signs : signs.slice(1).map((sign, i) => signs[i] + sign);
      return pairs.map((term, i) => ({ term, word: term, parts: i || signs.length < 3 ? [] : [word] }));
    }
    const parts = given.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+[a-z]*/g) ?? [];
    const several = parts.length < 2 ? [] : parts.filter((part) => /\D./.test(part));
    return [{ term: stem(word), word, parts: several.map((part) => stem(part.toLowerCase())) }];
  };

  const remembered = new Map();
  const termsOfWord = (word) => {
    if (!remembered.has(word)) remembered.set(word, analysed(word));
    return remembered.get(word);
  };
  const termsOf = (text) => (text.match(WORD) ?? []).flatMap(termsOfWord);

  const pairsOf = (terms) => {
    const row = terms.map(({ term }) => term).filter((term) => !NUMBER.test(term));
    return row.slice(1).map((term, i) => `${row[i]} ${term}`);
  };

  const joined = (terms) => ` ${terms.map(({ term }) => term).join(" ")} `;
  const plain = (html) => html.replace(MARKUP, (found) => (found[0] === "&" ? " " : /^<\/?code>/.test(found) ? "" : " "));
  const isListing = (block) => !block.includes("&gt;&gt;&gt;") && block.split("\n").length > 12;

  let index, pages, sections, words, known;

  const build = (docs) => {
    [pages, sections, words, known] = [new Map(), new Map(), new Map(), new Set()];
    index = new MiniSearch({
      fields: [...Object.keys(PLACES), ...Object.keys(PAIRS)],
      storeFields: ["page"],
      extractField: (doc, field) => doc[field.replace("Pairs", "")],
      stringifyField: (terms) => terms,
      tokenize: (terms, field) => (field in PAIRS ? pairsOf(terms) : terms.flatMap(({ term, parts }) => [term, ...parts])),
      processTerm: (term) => term,
    });
    const read = (html) => {
      const terms = termsOf(plain(html));
      for (const { term, word, parts } of terms) {
        words.set(word, (words.get(word) ?? 0) + 1);
        for (const one of [term, ...parts]) known.add(one);
      }
      return terms;
    };
    for (const { location, title, text, tags = [], boost = 1 } of docs) {
      const page = location.split("#")[0];
      if (!pages.has(page)) {
        pages.set(page, { location, title, prose: text || (tags.at(-1) ?? ""), boost });
        const names = [page.replace(/-/g, " "), title, ...tags.slice(0, -1)].join(" / ");
        index.add({ id: `${page}!`, page, name: read(names), told: read(tags.at(-1) ?? "") });
      }
      const listing = (text.match(BLOCK) ?? []).filter(isListing).join(" ");
      const prose = text.replace(BLOCK, (block) => (isListing(block) ? " " : block));
      sections.set(location, { location, title, text, prose, said: `${plain(title)} ${plain(prose)}` });
      index.add({ id: location, page, heading: read(title), text: read(prose), listing: read(listing) });
    }
  };

  // One slip of the finger apart: a letter more, less or another, or two that changed places.
  const isSlip = (one, other) => {
    const shorter = Math.min(one.length, other.length);
    let [start, end] = [0, 0];
    while (start < shorter && one[start] === other[start]) start++;
    while (end < shorter - start && one.at(-1 - end) === other.at(-1 - end)) end++;
    const [a, b] = [one.slice(start, one.length - end), other.slice(start, other.length - end)];
    return (a.length < 2 && b.length < 2) || (a.length === 2 && a === [...b].reverse().join(""));
  };
  const corrected = (word) => {
    if (!/^[a-z]\w{4,}$/.test(word)) return "";
    const near = [...words].filter(([one]) => !NUMBER.test(one) && isSlip(word, one)).sort(([, a], [, b]) => b - a);
    return near[0]?.[0] ?? "";
  };

  // Whether the site has a word, or one that begins so: whoever types has not come to its end.
  const has = ({ term, word }) => known.has(term) || (word.length > 1 && [...words.keys()].some((one) => one.startsWith(word)));
  const stands = (phrase) => [...sections.values()].some(({ said }) => said.includes(phrase));

  // A function of torch or NumPy by its names: torch.nn.functional.pad is F.pad, torch.nn.Linear nn.Linear.
  const namesOf = (given) => {
    const parts = given.replace("torch.nn.functional.", "F.").replace("numpy.", "np.").split(".");
    return parts.slice(0, -1).map((_, i) => parts.slice(i).join("."));
  };

  // What a query asks for that is not there, and the query with its slips mended.
  const looked = (query) => {
    const [missing, nearest] = [[], []];
    const phrase = query.match(QUOTED)?.[1].trim();
    if (phrase && !stands(phrase)) missing.push(`“${phrase}”`);
    let mended = query.replace(/torch\.Size/g, " ").replace(ASKING, (found) => (found === "为什么" ? found : " "));
    mended = mended.replace(LIBRARY, (name) => {
      const here = namesOf(name).find(stands);
      if (!here) missing.push(name);
      return here ?? name.split(".").at(-1);
    });
    mended = mended.replace(WORD, (given) => {
      const terms = termsOf(given);
      if (2 * terms.filter(has).length >= terms.length || STOP.has(given.toLowerCase()) || /^\d/.test(given)) return given;
      const near = corrected(given.toLowerCase());
      if (near) nearest.push(near);
      if (given.length > 1 && !missing.some((name) => name.endsWith(given))) missing.push(given);
      return near || given;
    });
    return { mended, missing, nearest };
  };

  const find = (query) => {
    const { mended, missing, nearest } = looked(query);
    const all = termsOf(mended);
    const telling = all.filter(({ word }) => !STOP.has(word));
    const asked = telling.length ? telling : all;
    const wanted = new Set(asked.flatMap(({ term, parts }) => [term, ...parts]));
    const found = ranked(all, asked);
    const error = query.match(ERROR)?.[0];
    const isAbsent = error && new Set(pairsOf(all)).size > 3 && found.every(({ inRow }) => inRow < 0.5);
    if (isAbsent) missing.splice(0, missing.length, error.length > 60 ? `${error.slice(0, 60)}…` : error);
    // Where something is not here, what has half of the words may help. What has less does not.
    const near = missing.length ? found.filter(({ terms }) => 2 * terms.filter((term) => wanted.has(term)).length >= wanted.size) : found;
    return {
      items: near.slice(0, missing.length > nearest.length ? FEW : MOST).filter(({ score }) => score > near[0].score / 8).map((page) => shown(page, asked)),
      words: [...new Set(asked.filter(({ term }) => known.has(term) && !NUMBER.test(term)).map(beginning))].join(" "),
      missing,
      nearest: isAbsent ? [] : nearest,
    };
  };

  const ranked = (all, asked) => {
    const each = (terms, boost, options) => ({ queries: [...new Set(terms)], fields: Object.keys(boost), boost, tokenize: (term) => [term], ...options });
    const queries = [
      each(asked.map(({ term }) => term), PLACES, {
        prefix: (term) => !/^(?:\d|[^\p{sc=Han}]{1,2}$)/u.test(term),
        weights: { prefix: BEGUN, fuzzy: 0 },
      }),
      each(asked.flatMap(({ parts }) => parts), PLACES, { boostTerm: () => PART }),
      each(pairsOf(all), PAIRS),
    ].filter(({ queries }) => queries.length);
    const pairs = new Set(pairsOf(all)).size;
    const whole = joined(all);
    const found = new Map(); // {page: what is known of it}
    for (const { id, page, score, match, queryTerms } of index.search({ queries, combineWith: "OR", bm25: BM25 })) {
      const terms = Object.keys(match);
      const inRow = pairs && terms.filter((term) => term.includes(" ")).length / pairs;
      const isLiteral = pairs >= LONG && inRow > 0.7 && joined(termsOf(sections.get(id)?.said ?? "")).includes(whole);
      // In a listing stands everything that a page is about: where another section says it, that one answers.
      const said = terms.filter((term) => match[term].some((place) => place !== "listing")).length / terms.length;
      const one = { id, terms, asked: queryTerms, inRow, said, rate: score / queryTerms.length };
      one.row = (pairs < LONG ? 1 : 1 + inRow) * (isLiteral ? 2 : 1);
      const there = found.get(page) ?? found.set(page, { page, own: { ...NOTHING }, best: [] }).get(page);
      if (id === `${page}!`) there.own = one;
      else there.best.push(one);
    }
    for (const there of found.values()) {
      const { page, own, best } = there;
      if (!best.length) best.push({ ...NOTHING, id: page });
      for (const one of best) one.score = (own.rate + one.rate) * one.row * new Set([...own.asked, ...one.asked]).size ** SPREAD;
      best.sort((a, b) => b.score - a.score);
      there.score = best[0].score * pages.get(page).boost;
      there.inRow = Math.max(...best.map(({ inRow }) => inRow));
      there.terms = [...new Set([...own.asked, ...best[0].asked])];
      best.sort((a, b) => b.score * b.said - a.score * a.said);
    }
    return [...found.values()].sort((a, b) => b.score - a.score);
  };

  // What a word begins with that its other forms begin with, too: what the page marks.
  const beginning = ({ term, word }) => {
    let end = term.length;
    while (!word.startsWith(term.slice(0, end))) end--;
    return word.slice(0, end);
  };

  // A page, the section that answers if it is not the top, and the others that have to do with it.
  const shown = ({ page, own, best }, asked) => {
    const parts = new Set(asked.flatMap(({ parts }) => parts).filter((part) => !asked.some(({ term }) => term === part)));
    const wanted = new Set([own, ...best].flatMap(({ terms }) => terms).filter((term) => !parts.has(term)));
    const told = ({ location, title, text, prose }) => ({ location, title: mark(title, wanted), text: teaser(prose, wanted) || teaser(text, wanted) });
    const [first, ...others] = best.filter(({ id, rate }) => id !== page && rate > best[0].rate / 3).map(({ id }) => told(sections.get(id)));
    const isTop = best[0].id === page || own.rate > best[0].rate;
    return { top: told(pages.get(page)), best: isTop ? null : first, more: isTop && first ? [first, ...others] : others };
  };

  const isWanted = (word, wanted) => termsOfWord(word).some(({ term, parts }) => [term, ...parts].some((one) => wanted.has(one)));

  // Marks the words that were asked for; of a Chinese phrase, the signs.
  const mark = (html, wanted) =>
    html.replace(new RegExp(`${MARKUP.source}|${WORD.source}`, "gu"), (found) => {
      if (/^[<&]/.test(found)) return found;
      if (!/^\p{sc=Han}/u.test(found)) return isWanted(found, wanted) ? `<mark>${found}</mark>` : found;
      const signs = [...found];
      const marked = (i) => [signs[i - 1] + signs[i], signs[i] + signs[i + 1], signs[i]].some((pair) => wanted.has(pair));
      return signs.map((sign, i) => (marked(i) ? `<mark>${sign}</mark>` : sign)).join("").replaceAll("</mark><mark>", "");
    });

  // The text of a section and the places of its words, read once: each letter typed asks again.
  const placed = new Map();
  const placesOf = (html) => {
    if (!placed.has(html)) {
      const text = html.replace(/<\/?(?:code|su[bp])>/g, "").replace(/<[^>]*>/g, " ").replace(/\s+/g, " ").trim();
      placed.set(html, { text, all: Array.from(text.matchAll(WORD), ({ 0: word, index }) => ({ word, index })) });
    }
    return placed.get(html);
  };

  // The part of a section that has most of what was asked for, about two lines.
  const teaser = (html, wanted) => {
    const { text, all } = placesOf(html);
    const places = all.filter(({ word }) => isWanted(word, wanted));
    const rare = ({ word }) => 1 / Math.log(2 + (words.get(word.toLowerCase()) ?? 0));
    let [start, most, sum, first] = [0, 0, 0, 0];
    for (const place of places) {
      sum += rare(place);
      while (places[first].index < place.index - 160) sum -= rare(places[first++]);
      if (sum > most) [start, most] = [places[first].index, sum];
    }
    start = start < 60 ? 0 : text.lastIndexOf(" ", start - 30) + 1;
    const end = text.length < start + 200 ? text.length : text.lastIndexOf(" ", start + 200);
    return text ? `<p>${start ? "… " : ""}${mark(text.slice(start, end), wanted)}${end < text.length ? " …" : ""}</p>` : "";
  };

  globalThis.searchIndex = { build, find };

  if (typeof importScripts === "function") {
    const ready = fetch("../search/search_index.json").then((answer) => answer.json()).then(({ docs }) => build(docs));
    addEventListener("message", async ({ data: query }) => {
      await ready;
      postMessage({ query, found: find(query) });
    });
  }
}
