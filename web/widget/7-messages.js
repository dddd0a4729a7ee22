// ──────────────────────────── Messages ────────────────────────────

const SAME_BREATH_MS = 3 * 60 * 1000;

/**
 * What was said, as nodes: each is made once and kept until the language changes.
 * `chat` gives t(word, values), shop(), press(button), retry(id).
 */
class Messages {
  // By entry: another conversation has messages at the same positions.
  #nodes = new WeakMap();
  #days = new Map();
  #language = "en";
  #dateLocale = "en";

  constructor(thread, chat) {
    Object.assign(this, { thread, ...chat });
  }

  /** From now on in this language, with the dates of this region. */
  speak(language, dateLocale) {
    if (language !== this.#language) {
      this.#nodes = new WeakMap();
      this.#days.clear();
    }
    this.#language = language;
    this.#dateLocale = dateLocale;
  }

  /** The nodes of all messages and days, in order. */
  nodes() {
    const entries = this.thread.ordered();
    const lastOwn = entries.findLastIndex((entry) => entry.from === "customer");
    const together = (a, b) => a && b && a.from === b.from && !b.proactive && Math.abs(new Date(b.at) - new Date(a.at)) < SAME_BREATH_MS;
    const nodes = [];
    let day = "";
    entries.forEach((entry, index) => {
      const at = new Date(entry.at);
      if (at.toDateString() !== day) {
        day = at.toDateString();
        nodes.push(this.#day(at, day));
      }
      nodes.push(this.#message(entry, {
        follows: together(entries[index - 1], entry),
        ends: !together(entry, entries[index + 1]),
        // Quick replies answer the last thing said; older ones would answer the wrong question.
        current: index > lastOwn && index === entries.length - 1,
      }));
    });
    return nodes;
  }

  #day(at, key) {
    if (!this.#days.has(key)) {
      const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
      const ago = Math.round((midnight(new Date()) - midnight(at)) / 86_400_000);
      const words = ago === 0 || ago === 1
        ? new Intl.RelativeTimeFormat(this.#language, { numeric: "auto" }).format(-ago, "day")
        : new Intl.DateTimeFormat(this.#dateLocale, { weekday: "long", day: "numeric", month: "long" }).format(at);
      this.#days.set(key, make("div", { class: "day" }, words));
    }
    return this.#days.get(key);
  }

  #message(entry, place) {
    let node = this.#nodes.get(entry);
    if (!node) {
      node = this.#newMessage(entry);
      this.#nodes.set(entry, node);
    }
    node.className = ["msg", entry.from === "customer" ? "own" : "", entry.status, place.follows ? "follows" : ""].join(" ");
    const quick = node.querySelector(".quick");
    if (quick) quick.hidden = !place.current;
    this.#drawMeta(node.querySelector(".meta"), entry, place.ends);
    return node;
  }

  #newMessage(entry) {
    const own = entry.from === "customer";
    const shop = this.shop();
    const node = make("div", {}, make("span", { class: "quiet" }, (own ? this.t("you") : shop) + ":"));
    if (entry.proactive || entry.from === "agent") node.append(make("div", { class: "tag" }, this.t(entry.proactive ? "update" : "team")));
    if (entry.text) {
      const bubble = make("div", { class: "bubble", dir: "auto", lang: entry.language || null });
      for (const part of linkify(entry.text)) {
        bubble.append(part.href ? make("a", { href: part.href, target: "_blank", rel: "noopener noreferrer nofollow" }, linkText(part.text)) : part.text);
      }
      node.append(bubble);
    }
    for (const image of entry.images) {
      const src = safeUrl(image.url, BASE);
      if (src) node.append(make("img", { class: "picture", src, alt: asText(image.alt), loading: "lazy", referrerpolicy: "no-referrer" }));
    }
    if (entry.cards.length) {
      node.append(make("div", { class: "cards", role: "list", "aria-label": this.t("products") }, ...entry.cards.map((card) => this.#card(card))));
    }
    node.append(make("div", { class: "meta" }));
    if (entry.buttons.length) node.append(make("div", { class: "quick" }, ...entry.buttons.map((button) => this.#button(button))));
    return node;
  }

  #card(card) {
    const title = asText(card.title);
    const url = safeUrl(card.url, BASE);
    const image = safeUrl(card.image, BASE);
    const about = make("div", { class: "about" }, make("div", { class: "name", dir: "auto" }, title));
    if (card.subtitle) about.append(make("div", { class: "sub", dir: "auto" }, asText(card.subtitle)));
    const row = make("div", { class: "row" });
    if (card.price) row.append(make("span", { class: "price", dir: "auto" }, asText(card.price)));
    if (card.stock !== undefined && card.stock !== null) row.append(make("span", { class: "stock", dir: "auto" }, asText(card.stock)));
    about.append(row);
    const deeds = make("div", { class: "deeds" }, ...asList(card.buttons).map((button) => this.#button(button)));
    if (url) deeds.append(make("a", { class: "more", href: url, target: "_blank", rel: "noopener", "aria-label": `${this.t("view")}: ${title}` }, this.t("view")));
    if (deeds.childElementCount) about.append(deeds);
    return make("div", { class: "card", role: "listitem" },
      image && make("img", { src: image, alt: "", loading: "lazy", referrerpolicy: "no-referrer", onerror: (event) => event.target.remove() }), about);
  }

  #button(button) {
    return make("button", { class: "deed", type: "button", dir: "auto", onclick: () => this.press(button) }, asText(button.label));
  }

  #drawMeta(meta, entry, ends) {
    const own = entry.from === "customer";
    const read = own && entry.position !== null && entry.position <= this.thread.readUpTo;
    const status = own ? (read ? "read" : entry.status) : "";
    const state = `${status}|${ends}|${entry.at}|${entry.error}`;
    if (meta.dataset.state === state) return;
    meta.dataset.state = state;
    meta.replaceChildren();
    meta.hidden = !ends && status !== "failed" && status !== "sending";
    if (status === "failed") {
      meta.append(entry.error || this.t("failed"));
      if (entry.again !== false) meta.append(make("button", { type: "button", onclick: () => this.retry(entry.clientId) }, this.t("retry")));
      return;
    }
    if (status !== "sending") {
      meta.append(make("time", { datetime: entry.at }, new Intl.DateTimeFormat(this.#dateLocale, { hour: "numeric", minute: "2-digit" }).format(new Date(entry.at))));
    }
    if (own) {
      meta.append(make("span", { class: "quiet" }, this.t(status)));
      meta.append(status === "sending" ? make("span", { "aria-hidden": "true" }, this.t("sending")) : icon(status === "read" ? "two" : "one", "0 0 20 15"));
    }
  }
}
