// ────────────────────────── DoorstepChat ──────────────────────────

const script = document.currentScript;
const BASE = script && script.src ? new URL(script.src).origin : location.origin;
const NEAR = 80;
const LONGEST = 4000;
const OUTSIDE = {
  fetch: (url, options) => fetch(url, options),
  setTimeout: (action, ms) => setTimeout(action, ms),
  clearTimeout: (timer) => clearTimeout(timer),
  now: () => Date.now(),
  timeZone: () => Intl.DateTimeFormat().resolvedOptions().timeZone,
};
const OPTIONS = ["data-shop-name", "data-locale", "data-identity", "data-theme", "data-open"];

class DoorstepChat extends HTMLElement {
  static observedAttributes = OPTIONS;

  #thread = new Thread();
  #messages = new Messages(this.#thread, {
    t: (word, values) => this.#t(word, values),
    shop: () => this.getAttribute("data-shop-name") || this.#t("shop"),
    press: (button) => this.#press(button),
    retry: (id) => this.#connection.retry(id),
  });
  #connection;
  #language = "en";
  #opened = false;
  #built = false;
  #drawing = false;
  #key = "doorstep:" + BASE;

  connectedCallback() {
    if (this.#built) return;
    this.#built = true;
    for (const { text, id, at, button } of stored("sessionStorage", this.#key + ":unsent") || []) {
      this.#thread.compose(text, id, at, button);
    }
    this.#connection = new Connection(BASE, this.#thread, {
      ...OUTSIDE,
      WebSocket: window.WebSocket,
      random: Math.random,
      load: () => stored("localStorage", this.#key + ":session"),
      save: (saved) => {
        stored("localStorage", this.#key + ":session", saved);
        if (!saved) stored("localStorage", this.#key + ":read", null);
        this.#peeked = 0;
      },
    }, {
      change: () => this.#changed(),
      state: (state) => this.#showState(state),
      typing: (on) => this.#showTyping(on),
      session: (language) => this.#speak(language),
      notice: (text) => this.#banner.tell(text),
    });
    this.#build();
    this.#speak();
    window.addEventListener("online", () => this.#connection.wake());
    window.addEventListener("pageshow", (event) => event.persisted && this.#connection.wake());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState !== "visible") return;
      this.#connection.wake();
      this.#markRead();
    });
    const identity = this.getAttribute("data-identity");
    if (identity) this.#connection.identify(identity);
    // A stranger who never opens the chat gets no session and costs no connection.
    else if (this.#connection.session) this.#connection.start();
    if (this.getAttribute("data-open") === "true") this.#show(false);
    this.#changed();
  }

  attributeChangedCallback(name, before, value) {
    if (!this.#built || before === value) return;
    if (name === "data-identity") this.identify(value);
    else if (name === "data-open") value === "true" ? this.open() : this.close();
    else this.#speak();
  }

  open() {
    this.#show(true);
  }

  close() {
    if (!this.#opened) return;
    const within = this.#panel.contains(this.shadowRoot.activeElement);
    this.#opened = false;
    this.#panel.hidden = true;
    this.#launcher.setAttribute("aria-expanded", "false");
    this.#suggestions?.close();
    document.documentElement.style.removeProperty("overflow");
    // The page may close the chat while its visitor is elsewhere: then focus is not ours to move.
    if (within) this.#launcher.focus();
    this.#changed();
  }

  send(text, button) {
    const words = asText(text).trim().slice(0, LONGEST);
    if (!words) return;
    this.#thread.compose(words, newId(), new Date().toISOString(), button);
    this.#stickToEnd = true;
    this.#changed();
    this.#connection.start();
    this.#connection.flush();
  }

  identify(token) {
    this.#connection.identify(token);
    if (!token) {
      stored("sessionStorage", this.#key + ":unsent", null);
      this.#hidePeek();
      this.#banner.hide();
      if (this.#opened) this.#connection.start();
    }
  }

  // ── Building ──

  #launcher; #badge; #panel; #log; #input; #sendButton; #banner; #typing; #intro; #latest; #title; #mark; #closeButton; #announcer; #peek; #suggestions;
  #stickToEnd = true;
  #typingTimer;
  #serverLanguage = "";
  #peeked = 0;

  #build() {
    const root = this.attachShadow({ mode: "open" });
    if ("adoptedStyleSheets" in root) {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet];
    } else {
      root.append(make("style", {}, STYLE));
    }
    this.#badge = make("span", { class: "badge", "aria-hidden": "true", hidden: "" });
    this.#launcher = make("button", {
      class: "launcher", type: "button", "aria-expanded": "false", "aria-controls": "panel", "aria-haspopup": "dialog",
      onclick: () => (this.#opened ? this.close() : this.open()),
    }, icon("chat"), icon("down"), this.#badge);

    this.#mark = make("span", { class: "mark", "aria-hidden": "true" });
    this.#title = make("h2", { id: "title" });
    this.#closeButton = make("button", { class: "icon", type: "button", onclick: () => this.close() }, icon("cross"));
    // No <header>: the page has a banner of its own.
    const header = make("div", { class: "head" }, this.#mark, this.#title, this.#closeButton);
    this.#banner = new Banner();

    this.#intro = make("div", { class: "intro" }, make("b"), make("span"));
    this.#typing = make("div", { class: "typing", hidden: "" }, make("i"), make("i"), make("i"));
    this.#log = make("div", {
      class: "log", role: "log", "aria-live": "polite", "aria-relevant": "additions", "aria-labelledby": "title", tabindex: "0",
      onscroll: () => this.#scrolled(),
    }, this.#intro, this.#typing);

    this.#input = make("textarea", {
      id: "input", rows: "1", maxlength: LONGEST, autocomplete: "off", enterkeyhint: "send", dir: "auto",
      oninput: () => this.#typed(),
      onkeydown: (event) => {
        if (this.#suggestions?.takes(event)) return;
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        this.#submit();
      },
    });
    this.#latest = make("button", { class: "latest", type: "button", hidden: "", onclick: () => this.#toEnd() }, icon("arrow"));
    this.#sendButton = make("button", { class: "send", type: "submit", "aria-disabled": "true" }, icon("send"));
    const form = make("form", {
      onsubmit: (event) => {
        event.preventDefault();
        this.#submit();
      },
    }, this.#latest, ...this.#suggesting(), this.#input, this.#sendButton);

    this.#panel = make("section", { id: "panel", class: "panel", role: "dialog", hidden: "", onkeydown: (event) => this.#keys(event) },
      header, this.#banner.node, this.#log, form);
    this.#announcer = make("div", { class: "quiet", role: "status", "aria-live": "polite" });
    this.#peek = make("div", { class: "peek", hidden: "" });
    root.append(this.#panel, this.#peek, this.#launcher, this.#announcer);
    if (window.visualViewport) {
      const fit = () => this.#fitKeyboard();
      visualViewport.addEventListener("resize", fit);
      visualViewport.addEventListener("scroll", fit);
    }
  }

  /** The list of suggestions, where the shop has switched them on. */
  #suggesting() {
    if (!SETTINGS.suggestions) return [];
    this.#suggestions = new Suggestions(this.#input, BASE, OUTSIDE, {
      t: (word, values) => this.#t(word, values),
      chosen: () => {
        this.#fitInput();
        this.#input.focus();
      },
    });
    return [this.#suggestions.list, this.#suggestions.status];
  }

  // ── Language ──

  #t(word, values = {}) {
    const text = STRINGS[this.#language][word];
    return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  }

  /** Uses the shop's choice, else what the server knows of the visitor, else the browser. */
  #speak(known) {
    if (known) this.#serverLanguage = known;
    const chosen = this.getAttribute("data-locale");
    const wanted = [chosen, this.#serverLanguage, ...(navigator.languages || [navigator.language])].filter(Boolean);
    this.#language = pickLanguage(chosen ? [chosen] : wanted.slice(0, this.#serverLanguage ? 1 : undefined));
    this.#connection.locale = chosen || navigator.language || "en";
    // Dates keep the visitor's region (es-MX, not just es).
    this.#messages.speak(this.#language, wanted.find((tag) => tag.toLowerCase().startsWith(this.#language)) || this.#language);
    const direction = RIGHT_TO_LEFT.test(this.#language) ? "rtl" : "ltr";
    for (const part of [this.#panel, this.#peek]) {
      part.lang = this.#language;
      part.dir = direction;
    }
    const shop = this.getAttribute("data-shop-name") || this.#t("shop");
    this.#title.textContent = this.getAttribute("data-shop-name") || this.#t("title", { shop });
    this.#panel.setAttribute("aria-label", this.#t("title", { shop }));
    this.#mark.textContent = [...shop][0].toLocaleUpperCase();
    this.#intro.firstChild.textContent = this.#t("intro");
    this.#intro.lastChild.textContent = this.#t("hint");
    this.#input.placeholder = this.#t("placeholder");
    for (const [part, word] of [[this.#input, "placeholder"], [this.#sendButton, "send"], [this.#closeButton, "close"], [this.#latest, "latest"]]) {
      part.setAttribute("aria-label", this.#t(word));
    }
    this.#typing.setAttribute("aria-label", this.#t("typing"));
    this.#changed();
  }

  // ── Opening, closing, keys ──

  #show(withFocus) {
    if (!this.#opened) {
      this.#opened = true;
      this.#panel.hidden = false;
      this.#launcher.setAttribute("aria-expanded", "true");
      this.#hidePeek();
      this.#connection.start();
      this.#stickToEnd = true;
      this.#changed();
    }
    const full = this.#isFull();
    this.#panel.setAttribute("aria-modal", String(full));
    if (full) document.documentElement.style.overflow = "hidden";
    this.#fitKeyboard();
    if (withFocus) this.#focusInput();
  }

  // On a touch screen the keyboard would cover what was just opened.
  #focusInput() {
    (matchMedia("(pointer: coarse)").matches ? this.#log : this.#input).focus();
  }

  #isFull() {
    return matchMedia("(max-width: 480px)").matches;
  }

  #keys(event) {
    if (event.key === "Escape") {
      event.stopPropagation();
      this.close();
    }
    if (event.key === "Tab" && this.#isFull()) this.#keepFocusInside(event);
  }

  #keepFocusInside(event) {
    const stops = [...this.#panel.querySelectorAll("button, textarea, a[href], [tabindex='0']")].filter((stop) => stop.checkVisibility());
    const edge = event.shiftKey ? stops[0] : stops.at(-1);
    if (this.shadowRoot.activeElement !== edge) return;
    event.preventDefault();
    (event.shiftKey ? stops.at(-1) : stops[0]).focus();
  }

  // The on-screen keyboard shrinks what is seen, not the page: follow it.
  #fitKeyboard() {
    if (!this.#opened || !window.visualViewport || !this.#isFull()) return;
    this.#panel.style.setProperty("--seen-height", visualViewport.height + "px");
    this.#panel.style.setProperty("--seen-top", visualViewport.offsetTop + "px");
    if (this.#stickToEnd) this.#toEnd();
  }

  // ── Writing ──

  #typed() {
    this.#fitInput();
    this.#suggestions?.typed();
  }

  #fitInput() {
    this.#sendButton.setAttribute("aria-disabled", String(!this.#input.value.trim()));
    this.#input.style.blockSize = "auto";
    this.#input.style.blockSize = Math.min(132, Math.max(44, this.#input.scrollHeight + 2)) + "px";
  }

  #submit() {
    if (!this.#input.value.trim()) return this.#input.focus();
    this.send(this.#input.value);
    this.#input.value = "";
    this.#typed();
    this.#input.focus();
  }

  #press(button) {
    this.send(asText(button.label), asText(button.value));
    this.#focusInput();
  }

  // ── Showing ──

  #changed() {
    stored("sessionStorage", this.#key + ":unsent", this.#thread.unsent().map((frame) => ({ ...frame, at: this.#thread.find(frame.id).at })));
    if (this.#drawing) return;
    this.#drawing = true;
    // Many frames arrive together (history): draw them once.
    queueMicrotask(() => {
      this.#drawing = false;
      this.#draw();
    });
  }

  #draw() {
    place(this.#log, [this.#intro, ...this.#messages.nodes(), this.#typing]);
    if (this.#stickToEnd) this.#toEnd();
    this.#scrolled();
    this.#markRead();
    this.#showUnread();
  }

  #showTyping(on) {
    if (!this.#typing) return;
    clearTimeout(this.#typingTimer);
    this.#typing.hidden = !on;
    // A lost "off" must not leave the dots forever.
    if (on) this.#typingTimer = setTimeout(() => this.#showTyping(false), 15_000);
    if (this.#stickToEnd) this.#toEnd();
  }

  #showState(state) {
    if (!this.#banner) return;
    if (state === "open") this.#banner.hide();
    else if (state === "lost") this.#banner.warn(this.#t("lost"), () => !["open", "idle"].includes(this.#connection.state));
  }

  #toEnd() {
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#stickToEnd = true;
  }

  #scrolled() {
    const away = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight;
    this.#stickToEnd = away < NEAR;
    this.#latest.hidden = this.#stickToEnd;
  }

  // ── Unread ──

  #lastRead() {
    const read = stored("localStorage", this.#key + ":read");
    return read && read.visitor === this.#connection.visitor ? read.position : 0;
  }

  #markRead() {
    if (!this.#opened || document.visibilityState !== "visible") return;
    const last = this.#thread.lastPosition();
    if (last <= this.#lastRead()) return;
    stored("localStorage", this.#key + ":read", { visitor: this.#connection.visitor, position: last });
    this.#connection.read(last);
  }

  #showUnread() {
    const count = this.#opened ? 0 : this.#thread.unreadAfter(this.#lastRead());
    const words = count ? this.#t("unread", { n: count }) : "";
    this.#badge.hidden = !count;
    this.#badge.textContent = count > 9 ? "9+" : String(count);
    this.#launcher.setAttribute("aria-label", [this.#t(this.#opened ? "close" : "open"), words].filter(Boolean).join(". "));
    if (this.#announcer.textContent !== words) this.#announcer.textContent = words;
    this.#showPeek(count);
  }

  /** The newest unread message beside the closed launcher: a parcel's news is seen at once. */
  #showPeek(count) {
    const news = this.#thread.ordered().findLast((entry) => entry.from !== "customer" && entry.position && entry.text);
    if (!count || !news) return this.#hidePeek();
    if (news.position <= this.#peeked) return;
    this.#peeked = news.position;
    this.#peek.replaceChildren(
      make("button", { class: "read", type: "button", onclick: () => this.open() },
        make("strong", {}, this.getAttribute("data-shop-name") || this.#t(news.from === "agent" ? "team" : "update")),
        make("span", { class: "words", dir: "auto", lang: news.language || null }, news.text)),
      make("button", { class: "icon", type: "button", "aria-label": this.#t("dismiss"), onclick: () => this.#hidePeek() }, icon("cross")),
    );
    this.#peek.hidden = false;
  }

  #hidePeek() {
    this.#peek.hidden = true;
  }
}
