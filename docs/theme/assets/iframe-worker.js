// Only in the offline build: a browser starts no worker from file://, so Material's search runs in
// a hidden frame. By this name Material's worker knows it, and asks for its languages with await.
//
// The package of the same name writes inline scripts, which the pages' policy forbids.
if (location.protocol === "file:") {
  window.Worker = window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = Object.assign(document.createElement("iframe"), { hidden: true });
      document.body.append(frame);
      const { contentWindow: inner, contentDocument: page } = frame;
      const load = (src) =>
        new Promise((onload, onerror) => {
          page.head.append(Object.assign(page.createElement("script"), { src, onload, onerror }));
        });
      inner.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      inner.importScripts = async (...all) => {
        for (const src of all) await load(src);
      };
      this.inner = inner;
      this.loaded = load(url);
    }

    postMessage(data) {
      this.loaded.then(() => this.inner.dispatchEvent(new MessageEvent("message", { data })));
    }
  };
}
