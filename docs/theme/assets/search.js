// Stands before Material's own script, which makes the worker that searches: makes ours instead.
//
// Material starts its worker on every page and takes lunr along, which takes every word of a query
// for the beginning of one, : ^ ~ + - * for operators, and a second to build its index. Ours is in
// search-worker.js. It starts for who searches.
{
  const url = new URL("search-worker.js", document.currentScript.src);
  const { Worker } = window;
  const field = document.querySelector(".md-search__input");

  window.Worker = class extends EventTarget {
    postMessage(message) {
      if (message?.type !== 0 || document.activeElement === field) return this.send(message);
      field.addEventListener("focus", () => this.send(message), { once: true });
    }

    send(message) {
      this.worker ??= this.start();
      this.worker.postMessage(message);
    }

    start() {
      const worker = new Worker(url);
      worker.addEventListener("message", ({ data }) => this.dispatchEvent(new MessageEvent("message", { data })));
      return worker;
    }
  };

  // Material asks for the index with every page. It weighs more than the page: only for who searches.
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
}
