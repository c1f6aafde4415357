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

  // Material looks at the query when a key is released; pasting by mouse releases none.
  field?.addEventListener("input", () => field.dispatchEvent(new Event("keyup")));
}
