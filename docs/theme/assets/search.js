// Stands before Material's own script, which makes the worker that searches.
//
// Material hands a query to lunr as it is typed: : ^ ~ + - * are operators there, every word is
// taken for the beginning of one, and a match in a heading outweighs any number in the text. A
// pasted error message is many words, all but the last complete, and stands in the text. lunr
// counts words wherever they stand; what has those of a message in a row, three by three, comes
// first here.
const wordsOf = (text) => text.match(/[\p{L}\p{N}_.]+/gu) ?? [];
const runsOf = (words) => words.slice(2).map((_, i) => words.slice(i, i + 3).join(" ").toLowerCase());
const plain = (html) => html.replace(/<[^>]*>|&[#\w]+;/g, " ");

window.Worker = class extends Worker {
  asked = [];
  texts = new Map();

  constructor(...args) {
    super(...args);
    this.addEventListener("message", ({ data }) => {
      if (data?.type === 3 && this.asked.length > 5) this.rank(data.data.items);
    });
  }

  postMessage(message, ...rest) {
    if (message?.type === 0) this.texts = new Map(message.data.docs.map((doc) => [doc.location, doc.text]));
    if (message?.type === 2) message = { ...message, data: this.clean(message.data) };
    super.postMessage(message, ...rest);
  }

  clean(query) {
    const words = wordsOf(query);
    this.asked = words;
    const field = words.length > 5 ? "text:" : "";
    // lunr knows some numbers that no page has, and fails where a word is the beginning of such a
    // one (lunr.js#314, #503): a number stands for itself.
    const last = (word, i) => i === words.length - 1 && /\D/.test(word);
    const complete = (word, i) => !last(word, i) && !/\p{sc=Han}/u.test(word);
    return words.map((word, i) => field + word + (complete(word, i) ? "^1" : "")).join(" ");
  }

  rank(groups) {
    const wanted = runsOf(this.asked);
    const has = new Map();
    for (const item of groups.flat()) {
      const there = new Set(runsOf(wordsOf(plain(this.texts.get(item.location) ?? ""))));
      has.set(item, wanted.filter((run) => there.has(run)).length);
    }
    const best = (group) => Math.max(...group.map((item) => has.get(item)));
    for (const group of groups) group.sort((a, b) => has.get(b) - has.get(a));
    groups.sort((a, b) => best(b) - best(a));
  }
};

const field = document.querySelector(".md-search__input");

// Material asks for the index with every page. It weighs more than the page, and to read it takes a
// second of work: only for who searches.
const { open, send } = XMLHttpRequest.prototype;
XMLHttpRequest.prototype.open = function (method, url, ...rest) {
  this.waits = field && /\/search_index\.json$/.test(url);
  open.call(this, method, url, ...rest);
};
XMLHttpRequest.prototype.send = function (...rest) {
  const ask = () => send.apply(this, rest);
  if (this.waits && document.activeElement !== field) field.addEventListener("focus", ask, { once: true });
  else ask();
};

// Material looks at the query when a key is released; pasting by mouse releases none.
field?.addEventListener("input", () => field.dispatchEvent(new Event("keyup")));
