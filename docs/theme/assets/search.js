// In a query, : ^ ~ + - * are operators of the search library. A pasted error message is words only.
const post = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (message, ...rest) {
  const query = message?.type === 2;
  const words = query && message.data.replace(/[^\p{L}\p{N}_.]+/gu, " ").trim();
  return post.call(this, query ? { ...message, data: words } : message, ...rest);
};

// Material looks at the query when a key is released; pasting by mouse releases none.
const field = document.querySelector(".md-search__input");
field?.addEventListener("input", () => field.dispatchEvent(new Event("keyup")));
