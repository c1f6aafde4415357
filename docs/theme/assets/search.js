// Material hands a query to lunr as it is typed: : ^ ~ + - * are operators there, every word is
// taken for the beginning of one, and a match in a heading outweighs any number in the text. A
// pasted error message is many words, all but the last complete, and stands in the text.
const wordsOf = (text) => text.match(/[\p{L}\p{N}_.]+/gu) ?? [];
let asked = [];
let texts = new Map();
const post = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (message, ...rest) {
  if (message?.type === 0) texts = new Map(message.data.docs.map((doc) => [doc.location, doc.text]));
  if (message?.type === 2) {
    asked = wordsOf(message.data);
    const field = asked.length > 5 ? "text:" : "";
    const complete = (word, i) => i < asked.length - 1 && !/\p{sc=Han}/u.test(word);
    const data = asked.map((word, i) => field + word + (complete(word, i) ? "^1" : "")).join(" ");
    message = { ...message, data };
    this.addEventListener("message", rank, { capture: true }); // before Material's; once, however often
  }
  return post.call(this, message, ...rest);
};

// lunr counts words wherever they stand. Where a message was pasted, what has its words in a row,
// three by three, comes first.
const runsOf = (words) => words.slice(2).map((_, i) => words.slice(i, i + 3).join(" ").toLowerCase());
const plain = (html) => html.replace(/<[^>]*>|&[#\w]+;/g, " ");
const rank = ({ data }) => {
  if (data?.type !== 3 || asked.length < 6) return;
  const wanted = runsOf(asked);
  const has = new Map();
  for (const item of data.data.items.flat()) {
    const there = new Set(runsOf(wordsOf(plain(texts.get(item.location) ?? ""))));
    has.set(item, wanted.filter((run) => there.has(run)).length);
  }
  const best = (group) => Math.max(...group.map((item) => has.get(item)));
  for (const group of data.data.items) group.sort((a, b) => has.get(b) - has.get(a));
  data.data.items.sort((a, b) => best(b) - best(a));
};

// Material looks at the query when a key is released; pasting by mouse releases none.
const field = document.querySelector(".md-search__input");
field?.addEventListener("input", () => field.dispatchEvent(new Event("keyup")));
