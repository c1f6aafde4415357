// Material hands a query to lunr as it is typed: : ^ ~ + - * are operators there, and every word is
// taken for the beginning of one. A pasted error message is words; all but the last are complete.
const post = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (message, ...rest) {
  if (message?.type === 2) {
    const words = message.data.match(/[\p{L}\p{N}_.]+/gu) ?? [];
    const complete = (word, i) => i < words.length - 1 && !/\p{sc=Han}/u.test(word);
    const data = words.map((word, i) => (complete(word, i) ? `${word}^1` : word)).join(" ");
    message = { ...message, data };
  }
  return post.call(this, message, ...rest);
};

// Material looks at the query when a key is released; pasting by mouse releases none.
const field = document.querySelector(".md-search__input");
field?.addEventListener("input", () => field.dispatchEvent(new Event("keyup")));
