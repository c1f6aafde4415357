// Only in the offline build: a browser starts no worker from file://, so the search runs in a hidden
// frame there.
//
// The package of this name writes inline scripts, which the pages' policy forbids.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(src) {
      super();
      const frame = Object.assign(document.createElement("iframe"), { hidden: true });
      document.body.append(frame);
      const { contentWindow: inner, contentDocument: page } = frame;
      inner.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      this.inner = inner;
      this.loaded = new Promise((onload, onerror) => {
        page.head.append(Object.assign(page.createElement("script"), { src, onload, onerror }));
      });
    }

    postMessage(data) {
      this.loaded.then(() => this.inner.dispatchEvent(new MessageEvent("message", { data })));
    }
  };
}
