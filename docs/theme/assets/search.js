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
    if (message?.type === 0) return this.wait(message, rest);
    if (message?.type === 2) message = { ...message, data: this.clean(message.data) };
    super.postMessage(message, ...rest);
  }

  // To build the index takes a second of work: only for who searches.
  wait(message, rest) {
    const build = () => {
      this.texts = new Map(message.data.docs.map((doc) => [doc.location, doc.text]));
      super.postMessage(message, ...rest);
    };
    const field = document.querySelector(".md-search__input");
    if (document.activeElement === field) build();
    else field.addEventListener("focus", build, { once: true });
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

// Material looks at the query when a key is released; pasting by mouse releases none.
const field = document.querySelector(".md-search__input");
field?.addEventListener("input", () => field.dispatchEvent(new Event("keyup")));
