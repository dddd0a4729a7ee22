// ──────────────────────────── Elements ────────────────────────────

const ICONS = {
  // A speech bubble with a doorway in it.
  chat: "M12 3c5.2 0 9.3 3.5 9.3 8s-4.1 8-9.3 8c-1.1 0-2.1-.1-3-.4L4 21l1.1-4.2C3.6 15.3 2.7 13.3 2.7 11c0-4.5 4.1-8 9.3-8Z M8.7 14.8v-3.7a3.3 3.3 0 0 1 6.6 0v3.7Z",
  down: "m6 9.5 6 6 6-6",
  cross: "M6.5 6.5l11 11m0-11-11 11",
  send: "M4.5 12 20 4.8 15.5 20l-3.6-6.2Zm7.4 1.8L20 4.8",
  arrow: "M12 5v14m-6-6 6 6 6-6",
  one: "m6 9 3.5 3.5L17 4.5",
  two: "m2 9 3.5 3.5L13 4.5M10 12l.5.5L18 4.5",
};

function icon(name, box = "0 0 24 24") {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  svg.setAttribute("viewBox", box);
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", name);
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** An element with attributes and children; text only ever becomes text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Unique without a secure context, which randomUUID would need: a demo may run on plain http in a local network. */
function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Storage that a browser may forbid: then the chat lives as long as the page. */
function stored(area, key, value) {
  try {
    const store = window[area];
    if (value === undefined) return JSON.parse(store.getItem(key));
    if (value === null) store.removeItem(key);
    else store.setItem(key, JSON.stringify(value));
  } catch {
    // Private mode, a full or blocked store: nothing is remembered.
  }
  return null;
}

/** Makes `wanted` the children of `parent`. Only what is new is inserted, so a screen reader is told of it once. */
function place(parent, wanted) {
  const keep = new Set(wanted);
  for (const child of [...parent.childNodes]) if (!keep.has(child)) child.remove();
  let at = parent.firstChild;
  for (const node of wanted) {
    if (node === at) at = at.nextSibling;
    else parent.insertBefore(node, at);
  }
}

/** The line above the conversation: no connection, or what the server has to say. */
class Banner {
  node = make("div", { class: "banner", role: "status", hidden: "" });
  #timer = null;

  hide() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.node.hidden = true;
  }

  /** A hiccup that heals at once is not worth a line; one that lasts is, through every new try. */
  warn(text, lasts) {
    if (this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (lasts()) this.#show(text);
    }, 1500);
  }

  tell(text) {
    if (!text) return;
    this.#show(text);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.hide(), 6000);
  }

  #show(text) {
    this.node.textContent = text;
    this.node.hidden = false;
  }
}
