// ────────────────────────── Suggestions ───────────────────────────

// Below the pause between two keys of somebody who types slowly.
const PAUSE_MS = 180;
const SUGGESTED = 5;
const SHORTEST = 2;
// Nobody begins a product's name with so much; a sentence is not asked about.
const LONGEST_BEGUN = 60;

/**
 * Asks the server what a text that is being typed may become. Not before the visitor pauses, and
 * what is past is aborted. A server that cannot answer costs a suggestion and nothing else.
 * `outside` holds fetch, setTimeout, clearTimeout; `show` gets the titles, none to show nothing.
 */
class Suggester {
  #turn = 0;
  #resting = false;

  constructor(base, outside, show) {
    Object.assign(this, { base, outside, show });
  }

  /** The text is this by now. */
  typed(text) {
    this.forget();
    const begun = text.trimStart();
    const asks = begun.trim().length >= SHORTEST && begun.length <= LONGEST_BEGUN && !begun.includes("\n");
    if (!asks || this.#resting) return this.show([]);
    const turn = this.#turn;
    this.timer = this.outside.setTimeout(() => this.#ask(begun, turn), PAUSE_MS);
  }

  /** Whatever was asked does not matter any more. */
  forget() {
    this.#turn++;
    this.outside.clearTimeout(this.timer);
    if (this.request) this.request.abort();
    this.request = null;
  }

  async #ask(begun, turn) {
    const request = (this.request = new AbortController());
    let titles = [];
    try {
      const url = `${this.base}/search/suggest?limit=${SUGGESTED}&q=${encodeURIComponent(begun)}`;
      const response = await this.outside.fetch(url, { signal: request.signal, credentials: "omit", cache: "no-store" });
      if (response.ok) titles = asList((await response.json()).suggestions).map((found) => asText(found.title));
      else this.#rest(response);
    } catch {
      // Aborted, or away: nothing is suggested.
    }
    if (turn !== this.#turn) return;
    const same = begun.trim().toLowerCase();
    this.show([...new Set(titles)].filter((title) => title && title.toLowerCase() !== same));
  }

  #rest(response) {
    const seconds = Number(response.headers.get("retry-after")) || 300;
    this.#resting = true;
    this.outside.setTimeout(() => (this.#resting = false), seconds * 1000);
  }
}

/**
 * The list above the input, by the WAI-ARIA pattern of an editable combobox with list autocomplete: focus stays in the
 * input, arrows move through the list, Enter takes what is marked, Escape closes. The input keeps the role of a text box,
 * because a message may have several lines and HTML allows a textarea no other; so what a combobox tells by
 * aria-expanded is told in words.
 */
class Suggestions {
  #titles = [];
  #marked = -1;

  /** `t(word, values)` gives words; `chosen()` hears that the input was filled. */
  constructor(input, base, outside, { t, chosen }) {
    Object.assign(this, { input, t, chosen });
    this.list = make("div", { id: "suggestions", class: "suggestions", role: "listbox", hidden: "" });
    this.status = make("div", { class: "quiet", role: "status" });
    this.suggester = new Suggester(base, outside, (titles) => this.#show(titles));
    for (const [name, value] of [["aria-autocomplete", "list"], ["aria-haspopup", "listbox"], ["aria-controls", "suggestions"]]) {
      input.setAttribute(name, value);
    }
    // Focus may be on its way back, and whoever looks at another window has not left the input.
    input.addEventListener("blur", () => outside.setTimeout(() => {
      if (input.getRootNode().activeElement !== input) this.close();
    }, 0));
  }

  get open() {
    return !this.list.hidden;
  }

  typed() {
    this.suggester.typed(this.input.value);
  }

  close() {
    this.suggester.forget();
    this.#show([]);
  }

  /** Whether the key was for the list. */
  takes(event) {
    if (!this.open || event.isComposing) return false;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") this.#move(event.key === "ArrowDown" ? 1 : -1);
    else if (event.key === "Escape") this.close();
    else if (event.key === "Enter" && !event.shiftKey && this.#marked >= 0) this.#choose(this.#titles[this.#marked]);
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  // Past either end nothing is marked: Enter then sends what was written.
  #move(by) {
    const places = this.#titles.length + 1;
    this.#mark(((this.#marked + 1 + by + places) % places) - 1);
  }

  #mark(place) {
    this.#marked = place;
    [...this.list.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === place)));
    const option = this.list.children[place];
    if (!option) return this.input.removeAttribute("aria-activedescendant");
    this.input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  #choose(title) {
    this.input.value = title;
    this.close();
    this.chosen();
  }

  #show(titles) {
    this.#titles = titles;
    this.list.setAttribute("aria-label", this.t("suggestions"));
    this.list.replaceChildren(...titles.map((title, at) => make("div", {
      id: `suggestion-${at}`, class: "suggestion", role: "option", "aria-selected": "false", dir: "auto",
      // The input keeps the focus.
      onmousedown: (event) => event.preventDefault(),
      onclick: () => this.#choose(title),
    }, title)));
    this.#mark(-1);
    this.list.hidden = !titles.length;
    const words = titles.length ? this.t("suggested", { n: titles.length }) : "";
    if (this.status.textContent !== words) this.status.textContent = words;
  }
}
