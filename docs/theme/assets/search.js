// Material hands a query to lunr as it is typed: : ^ ~ + - * are operators there, every word is
// taken for the beginning of one, and a match in a heading outweighs any number in the text. A
// pasted error message is many words, all but the last complete, and stands in the text.
const post = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (message, ...rest) {
  if (message?.type === 2) {
    const words = message.data.match(/[\p{L}\p{N}_.]+/gu) ?? [];
    const field = words.length > 5 ? "text:" : "";
    const complete = (word, i) => i < words.length - 1 && !/\p{sc=Han}/u.test(word);
    const data = words.map((word, i) => field + word + (complete(word, i) ? "^1" : "")).join(" ");
    message = { ...message, data };
  }
  return post.call(this, message, ...rest);
};

// Material looks at the query when a key is released; pasting by mouse releases none.
const field = document.querySelector(".md-search__input");
field?.addEventListener("input", () => field.dispatchEvent(new Event("keyup")));
