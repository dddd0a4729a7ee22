/*
 * Doorstep chat widget. One script tag for any shop:
 *
 *   <script src="https://bot.shop.example/widget.js" async
 *           data-shop-name="Your shop"   shown in the header
 *           data-locale=""               BCP 47 tag; empty = the visitor's browser
 *           data-identity=""             signed identity token of a logged-in customer
 *           data-theme="auto"            auto | light | dark
 *           data-open="false"></script>  open the chat at once
 *
 * From the page: Doorstep.open(), .close(), .send(text), .identify(token); call
 * identify(null) when the customer logs out.
 *
 * Look: set CSS variables on `doorstep-chat`: --doorstep-accent, --doorstep-on-accent,
 * --doorstep-surface, --doorstep-text, --doorstep-muted, --doorstep-line, --doorstep-bubble,
 * --doorstep-radius, --doorstep-font, --doorstep-width, --doorstep-height,
 * --doorstep-position-inline, --doorstep-position-block, --doorstep-layer.
 *
 * The file has four parts: words, Thread (what was said; pure), Connection (how it travels;
 * network and timers injected), DoorstepChat (what is seen). In Node, where there is no
 * document, it only exports the first three for the tests.
 */
(function () {
  "use strict";

  // ───────────────────────────── Words ─────────────────────────────

  const STRINGS = {
    en: {
      open: "Open chat", close: "Close chat", title: "Chat with {shop}", shop: "our shop",
      intro: "Hello! How can we help?", hint: "Ask about a product, an order or a return.",
      placeholder: "Write a message", send: "Send", you: "You", team: "Our team", update: "Update",
      sending: "Sending…", sent: "Sent", read: "Read", failed: "Not sent", retry: "Try again",
      typing: "Writing…", lost: "Connection lost. Trying again…", unread: "New messages: {n}",
      latest: "Go to the latest message", products: "Products", view: "View", dismiss: "Dismiss",
    },
    es: {
      open: "Abrir chat", close: "Cerrar chat", title: "Chat con {shop}", shop: "nuestra tienda",
      intro: "¡Hola! ¿En qué podemos ayudarte?", hint: "Pregunta por un producto, un pedido o una devolución.",
      placeholder: "Escribe un mensaje", send: "Enviar", you: "Tú", team: "Nuestro equipo", update: "Novedad",
      sending: "Enviando…", sent: "Enviado", read: "Leído", failed: "No enviado", retry: "Reintentar",
      typing: "Escribiendo…", lost: "Sin conexión. Reintentando…", unread: "Mensajes nuevos: {n}",
      latest: "Ir al último mensaje", products: "Productos", view: "Ver", dismiss: "Descartar",
    },
    pt: {
      open: "Abrir chat", close: "Fechar chat", title: "Chat com {shop}", shop: "nossa loja",
      intro: "Olá! Como podemos ajudar?", hint: "Pergunte sobre um produto, um pedido ou uma devolução.",
      placeholder: "Escreva uma mensagem", send: "Enviar", you: "Você", team: "Nossa equipe", update: "Novidade",
      sending: "Enviando…", sent: "Enviada", read: "Lida", failed: "Não enviada", retry: "Tentar de novo",
      typing: "Escrevendo…", lost: "Sem conexão. Tentando de novo…", unread: "Mensagens novas: {n}",
      latest: "Ir para a última mensagem", products: "Produtos", view: "Ver", dismiss: "Dispensar",
    },
    fr: {
      open: "Ouvrir le chat", close: "Fermer le chat", title: "Discuter avec {shop}", shop: "notre boutique",
      intro: "Bonjour ! Comment pouvons-nous vous aider ?",
      hint: "Posez une question sur un produit, une commande ou un retour.",
      placeholder: "Écrivez un message", send: "Envoyer", you: "Vous", team: "Notre équipe", update: "Nouvelle",
      sending: "Envoi…", sent: "Envoyé", read: "Lu", failed: "Non envoyé", retry: "Réessayer",
      typing: "En train d’écrire…", lost: "Connexion perdue. Nouvel essai…", unread: "Nouveaux messages : {n}",
      latest: "Aller au dernier message", products: "Produits", view: "Voir", dismiss: "Ignorer",
    },
    de: {
      open: "Chat öffnen", close: "Chat schließen", title: "Chat mit {shop}", shop: "unserem Shop",
      intro: "Hallo! Wie können wir helfen?", hint: "Fragen Sie nach einem Produkt, einer Bestellung oder einer Rücksendung.",
      placeholder: "Nachricht schreiben", send: "Senden", you: "Sie", team: "Unser Team", update: "Neuigkeit",
      sending: "Wird gesendet…", sent: "Gesendet", read: "Gelesen", failed: "Nicht gesendet", retry: "Noch einmal",
      typing: "Schreibt…", lost: "Verbindung verloren. Neuer Versuch…", unread: "Neue Nachrichten: {n}",
      latest: "Zur neuesten Nachricht", products: "Produkte", view: "Ansehen", dismiss: "Ausblenden",
    },
    it: {
      open: "Apri la chat", close: "Chiudi la chat", title: "Chat con {shop}", shop: "il nostro negozio",
      intro: "Ciao! Come possiamo aiutarti?", hint: "Chiedi di un prodotto, di un ordine o di un reso.",
      placeholder: "Scrivi un messaggio", send: "Invia", you: "Tu", team: "Il nostro team", update: "Novità",
      sending: "Invio…", sent: "Inviato", read: "Letto", failed: "Non inviato", retry: "Riprova",
      typing: "Sta scrivendo…", lost: "Connessione persa. Nuovo tentativo…", unread: "Nuovi messaggi: {n}",
      latest: "Vai all’ultimo messaggio", products: "Prodotti", view: "Vedi", dismiss: "Ignora",
    },
    ru: {
      open: "Открыть чат", close: "Закрыть чат", title: "Чат: {shop}", shop: "наш магазин",
      intro: "Здравствуйте! Чем можем помочь?", hint: "Спросите о товаре, заказе или возврате.",
      placeholder: "Напишите сообщение", send: "Отправить", you: "Вы", team: "Наша команда", update: "Новость",
      sending: "Отправляется…", sent: "Отправлено", read: "Прочитано", failed: "Не отправлено", retry: "Повторить",
      typing: "Печатает…", lost: "Нет связи. Пробуем снова…", unread: "Новых сообщений: {n}",
      latest: "К последнему сообщению", products: "Товары", view: "Смотреть", dismiss: "Скрыть",
    },
    ar: {
      open: "فتح المحادثة", close: "إغلاق المحادثة", title: "محادثة مع {shop}", shop: "متجرنا",
      intro: "مرحبًا! كيف يمكننا مساعدتك؟", hint: "اسأل عن منتج أو طلب أو إرجاع.",
      placeholder: "اكتب رسالة", send: "إرسال", you: "أنت", team: "فريقنا", update: "جديد",
      sending: "جارٍ الإرسال…", sent: "أُرسلت", read: "قُرئت", failed: "لم تُرسل", retry: "أعد المحاولة",
      typing: "يكتب…", lost: "انقطع الاتصال. نحاول من جديد…", unread: "رسائل جديدة: {n}",
      latest: "الانتقال إلى آخر رسالة", products: "المنتجات", view: "عرض", dismiss: "إخفاء",
    },
  };
  const RIGHT_TO_LEFT = /^(ar|arc|ckb|dv|fa|he|ku|ps|sd|ug|ur|yi)\b/i;

  /** The first language of `tags` (BCP 47) that the widget speaks, else English. */
  function pickLanguage(tags) {
    for (const tag of tags) {
      const primary = String(tag || "").toLowerCase().split(/[-_]/)[0];
      if (Object.hasOwn(STRINGS, primary)) return primary;
    }
    return "en";
  }

  /** Splits text into plain parts and http(s) links; the caller makes nodes, never markup. */
  function linkify(text) {
    const parts = [];
    let end = 0;
    for (const match of text.matchAll(/https?:\/\/[^\s<>"']+/gi)) {
      let link = match[0].replace(/[.,;:!?»”’\]}]+$/, "");
      if (link.endsWith(")") && !link.includes("(")) link = link.replace(/\)+[.,;:!?]*$/, "");
      const href = safeUrl(link);
      if (!href) continue;
      if (match.index > end) parts.push({ text: text.slice(end, match.index) });
      parts.push({ text: link, href });
      end = match.index + link.length;
    }
    if (end < text.length) parts.push({ text: text.slice(end) });
    return parts;
  }

  /** What a link is shown as: where it leads stays whole, and a long rest, such as a token, is cut. */
  function linkText(link) {
    const bare = link.replace(/^https?:\/\//i, "").replace(/\/$/, "");
    const room = Math.max(bare.split("/", 1)[0].length + 12, 36);
    return bare.length > room + 4 ? bare.slice(0, room) + "…" : bare;
  }

  /** An absolute http(s) URL, or null for everything else (javascript:, data:, nonsense). */
  function safeUrl(value, base) {
    if (typeof value !== "string" || !value) return null;
    try {
      const url = new URL(value, base);
      return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
    } catch {
      return null;
    }
  }

  // ───────────────────────────── Thread ─────────────────────────────

  const asText = (value) => (typeof value === "string" ? value : value == null ? "" : String(value));
  const asList = (value) => (Array.isArray(value) ? value.filter((item) => item && typeof item === "object") : []);

  /**
   * One conversation: entries ordered by position, each shown once, and the messages the
   * server has not yet acknowledged. Knows nothing of the network or the page.
   */
  class Thread {
    constructor() {
      this.entries = [];
      this.sequence = 0;
      this.reset();
    }

    /** Forgets what was said (another conversation begins); keeps what is still to be sent. */
    reset() {
      this.entries = this.entries.filter((entry) => entry.position === null && entry.status === "sending");
      this.positions = new Map();
      this.ids = new Set();
      /** Everything up to this position has been seen: where to resume. */
      this.cursor = 0;
      /** The customer's own messages up to this position were read. */
      this.readUpTo = 0;
    }

    /** Adds the customer's own message at once, before the server knows of it. */
    compose(text, id, at, button) {
      return this.#add({ key: "c:" + id, position: null, clientId: id, from: "customer", text, at, button, status: "sending" });
    }

    /** Takes a server `message` frame. Returns the entry it added or settled, or null if it was known. */
    accept(frame) {
      const position = Number.isInteger(frame.position) ? frame.position : null;
      if (position === null ? frame.id && this.ids.has(frame.id) : this.positions.has(position)) return null;
      if (frame.id) this.ids.add(frame.id);
      const at = Number.isNaN(Date.parse(frame.at)) ? undefined : frame.at;
      const own = frame.client_id && this.find(frame.client_id);
      if (own) {
        if (at) own.at = at;
        this.#settle(own, position);
        return own;
      }
      const from = frame.from === "customer" || frame.from === "agent" ? frame.from : "shop";
      const entry = this.#add({
        key: position === null ? "s:" + this.sequence : "p:" + position,
        position,
        clientId: asText(frame.client_id),
        from,
        text: asText(frame.text),
        at: at || new Date().toISOString(),
        language: asText(frame.language),
        proactive: frame.proactive === true,
        buttons: asList(frame.buttons),
        cards: asList(frame.cards),
        images: asList(frame.images),
        status: "sent",
      });
      this.#saw(position, entry);
      return entry;
    }

    /** Takes a `receipt`: the message with this client id is stored, or was read. */
    receipt(frame) {
      const position = Number.isInteger(frame.position) ? frame.position : null;
      if (frame.status === "read") {
        this.readUpTo = Math.max(this.readUpTo, position || 0);
        return;
      }
      const own = this.find(frame.id);
      if (!own || own.position !== null) return;
      const twin = position !== null && this.positions.get(position);
      // The stored message came back first and without its client id: one bubble is enough.
      if (twin && twin !== own && twin.text === own.text) this.entries.splice(this.entries.indexOf(own), 1);
      else this.#settle(own, position);
    }

    /** The server refused the message; `again` says whether trying again can help. */
    fail(id, reason, again) {
      const own = this.find(id);
      if (own && own.position === null) Object.assign(own, { status: "failed", error: asText(reason), again });
    }

    retry(id) {
      const own = this.find(id);
      if (own && own.status === "failed") Object.assign(own, { status: "sending", error: "" });
    }

    /** The server answered a poll up to here, gaps included. */
    advanceTo(position) {
      if (Number.isInteger(position) && position > this.cursor) this.cursor = position;
      this.#closeGaps();
    }

    find(clientId) {
      return clientId ? this.entries.find((entry) => entry.clientId === clientId) : undefined;
    }

    /** Messages without a receipt, oldest first: what to send (again) after a reconnect. */
    unsent() {
      return this.entries
        .filter((entry) => entry.status === "sending")
        .sort((a, b) => a.sequence - b.sequence)
        .map((entry) => entry.button === undefined
          ? { text: entry.text, id: entry.clientId }
          : { text: entry.text, button: entry.button, id: entry.clientId });
    }

    /** What to show, by position; what has none yet comes last, as it was written. */
    ordered() {
      return [...this.entries].sort(
        (a, b) => (a.position ?? Infinity) - (b.position ?? Infinity) || a.sequence - b.sequence || 0,
      );
    }

    /** How many messages of the shop lie after `position`. */
    unreadAfter(position) {
      return this.entries.filter((entry) => entry.from !== "customer" && entry.position > position).length;
    }

    lastPosition() {
      return this.entries.reduce((last, entry) => Math.max(last, entry.position || 0), 0);
    }

    #add(entry) {
      const full = { buttons: [], cards: [], images: [], language: "", error: "", ...entry, sequence: this.sequence++ };
      this.entries.push(full);
      return full;
    }

    #settle(own, position) {
      own.status = "sent";
      own.error = "";
      own.position = position;
      this.#saw(position, own);
    }

    #saw(position, entry) {
      if (position === null) return;
      this.positions.set(position, entry);
      this.#closeGaps();
    }

    // Resuming from the highest position would lose an earlier frame that was still on its way.
    #closeGaps() {
      while (this.positions.has(this.cursor + 1)) this.cursor++;
    }
  }

  // ─────────────────────────── Connection ───────────────────────────

  // Times in seconds.
  const SOCKET_FAILURES_BEFORE_POLLING = 2;
  const RETRY_SOCKET_AFTER = 60;
  const RECEIPT_WITHIN = 15;
  const WAIT = 25;
  const ANSWER_WITHIN = WAIT + 15;
  const BACK_OFF = { first: 0.5, most: 30 };

  /** Seconds before reconnect number `attempt`: doubles, capped, half of it random. */
  function backOff(attempt, random) {
    const full = Math.min(BACK_OFF.most, BACK_OFF.first * 2 ** Math.min(attempt, 16));
    return full / 2 + (random * full) / 2;
  }

  /**
   * Keeps one session alive: WebSocket first, long polling when that fails twice.
   * `outside` holds what it touches: fetch, WebSocket, setTimeout, clearTimeout, random,
   * load(), save({session, visitor, linked}). `on` hears: change(), state(name), typing(on), session(language), notice(text).
   */
  class Connection {
    constructor(base, thread, outside, on) {
      Object.assign(this, { base, thread, outside, on });
      const saved = outside.load() || {};
      this.session = saved.session || null;
      /** Whose conversation it is; a renewed token may still be the same visitor's. */
      this.visitor = saved.visitor || null;
      /** The session belongs to a customer who was signed in, now or before a reload. */
      this.linked = Boolean(saved.linked);
      this.locale = "";
      this.identity = null;
      this.mustLink = false;
      this.state = "idle";
      this.turn = 0;
      this.attempt = 0;
      this.socketFailures = 0;
      this.handedOver = new Set();
      this.deferrals = new Map();
      this.timers = new Set();
      this.receiptTimers = new Map();
      this.requests = new Set();
    }

    get started() {
      return this.state !== "idle";
    }

    start() {
      if (!this.started) return this.#cycle();
    }

    /** Signs the visitor in with a token, or out with null (then nothing of the past stays). */
    identify(token) {
      token = token || null;
      const leaving = !token && (this.identity || this.linked);
      if (token === this.identity && !leaving) return;
      this.identity = token;
      this.mustLink = Boolean(token);
      if (leaving) {
        this.#dropSession();
        this.thread.entries = [];
        this.thread.reset();
        this.on.change();
        // A visitor without a name is connected again when they open the chat.
        this.#stop();
        return;
      }
      this.attempt = 0;
      return this.#cycle();
    }

    /** Something may have changed for the better (online again, tab visible): try now. */
    wake() {
      if (!this.started || this.state === "open") return;
      this.attempt = 0;
      return this.#cycle();
    }

    /** Sends everything that was not handed over on this connection yet. */
    flush() {
      if (this.state !== "open") return;
      for (const frame of this.thread.unsent()) {
        if (this.handedOver.has(frame.id)) continue;
        this.handedOver.add(frame.id);
        this.#transmit(frame);
      }
    }

    read(position) {
      if (this.state === "open") this.#transmit({ type: "read", position });
    }

    #transmit(frame) {
      if (this.socket) {
        this.socket.send(JSON.stringify(frame));
        if (frame.id) this.#expectReceipt(frame.id);
        return;
      }
      const turn = this.turn;
      const post = () => (turn === this.turn ? this.#post(frame, turn) : undefined);
      this.posting = (this.posting || Promise.resolve()).then(post);
    }

    async #post(frame, turn) {
      try {
        const answer = await this.#request("/chat/messages", { body: frame, bearer: true });
        if (turn === this.turn && answer) this.#receive(answer);
      } catch (error) {
        if (turn !== this.turn) return;
        if (error.status === 401) this.#unauthorized();
        else if (error.frame && frame.id) this.#receive({ ...error.frame, id: frame.id });
        else if (error.frame) return;
        else this.#later(error.retryAfter);
      }
    }

    // A socket that swallows messages looks open: no receipt in time means it is dead.
    #expectReceipt(id) {
      const timer = this.#after(RECEIPT_WITHIN, () => {
        this.socketFailures++;
        this.#cycle();
      });
      this.receiptTimers.set(id, timer);
    }

    #heardOf(id) {
      this.#cancel(this.receiptTimers.get(id));
      this.receiptTimers.delete(id);
    }

    async #cycle() {
      const turn = this.#stop();
      this.#set("connecting");
      try {
        if (!this.session || this.mustLink) await this.#openSession(turn);
        if (turn !== this.turn) return;
        if (this.outside.WebSocket && this.socketFailures < SOCKET_FAILURES_BEFORE_POLLING) this.#listen(turn);
        else await this.#poll(turn);
      } catch (error) {
        if (turn !== this.turn) return;
        if (error.status === 401) this.#unauthorized();
        else this.#later(error.retryAfter);
      }
    }

    async #openSession(turn) {
      const identity = this.identity || undefined;
      const session = this.session || undefined;
      // A refused token is dropped and asked anew. A guest keeps the conversation when only the identity was refused;
      // another customer's stays closed to whoever stands behind a refused identity.
      const attempts = [{ identity, session }, identity && session && !this.linked && { session }, identity && session && { identity }, (identity || session) && {}].filter(Boolean);
      for (const [index, tokens] of attempts.entries()) {
        try {
          const answer = await this.#request("/chat/session", { body: { locale: this.locale, ...tokens } });
          if (turn === this.turn) this.#began(answer, tokens);
          return;
        } catch (error) {
          if (error.status !== 401 || index === attempts.length - 1) throw error;
        }
      }
    }

    #began(answer, tokens) {
      const visitor = asText(answer.visitor) || answer.session;
      const same = visitor === this.visitor;
      this.mustLink = false;
      this.session = answer.session;
      this.visitor = visitor;
      this.linked = Boolean(tokens.identity) || (this.linked && same);
      this.outside.save({ session: this.session, visitor, linked: this.linked });
      if (!same) {
        this.thread.reset();
        this.on.change();
      }
      this.on.session(asText(answer.language));
    }

    #listen(turn) {
      const url = `${this.base.replace(/^http/, "ws")}/chat/ws?session=${encodeURIComponent(this.session)}&after=${this.thread.cursor}`;
      let socket;
      let opened = false;
      try {
        socket = new this.outside.WebSocket(url);
      } catch (error) {
        this.socketFailures++;
        throw error;
      }
      this.closing = () => socket.close();
      socket.onopen = () => {
        if (turn !== this.turn) return;
        opened = true;
        this.socketFailures = 0;
        this.socket = socket;
        this.#set("open");
        this.flush();
      };
      socket.onmessage = (event) => {
        if (turn !== this.turn) return;
        this.attempt = 0;
        let frame;
        try {
          frame = JSON.parse(event.data);
        } catch {
          return;
        }
        this.#receive(frame);
      };
      socket.onclose = (event) => {
        if (turn !== this.turn) return;
        if (!opened) this.socketFailures++;
        if (event.code === 4401) this.#unauthorized();
        else this.#later();
      };
    }

    async #poll(turn) {
      this.#after(RETRY_SOCKET_AFTER, () => {
        this.socketFailures = SOCKET_FAILURES_BEFORE_POLLING - 1;
        this.#cycle();
      });
      for (let wait = 0; ; wait = WAIT) {
        const query = `?after=${this.thread.cursor}&wait=${wait}`;
        const answer = await this.#request("/chat/messages" + query, { bearer: true });
        if (turn !== this.turn) return;
        this.attempt = 0;
        for (const frame of asList(answer.messages)) this.#receive(frame);
        if (turn !== this.turn) return;
        this.thread.advanceTo(answer.position);
        this.#set("open");
        this.flush();
      }
    }

    #receive(frame) {
      if (!frame || typeof frame !== "object") return;
      if (frame.type === "message") {
        this.#heardOf(frame.client_id);
        const entry = this.thread.accept(frame);
        if (entry && entry.from !== "customer") this.on.typing(false);
        this.on.change();
      } else if (frame.type === "typing") {
        this.on.typing(frame.on === true);
      } else if (frame.type === "receipt") {
        this.#heardOf(frame.id);
        this.thread.receipt(frame);
        this.on.change();
      } else if (frame.type === "error") {
        this.#refused(frame);
      }
    }

    #refused(frame) {
      if (frame.code === "unauthorized") return this.#unauthorized();
      const text = asText(frame.text);
      if (!frame.id) return this.on.notice(text);
      this.#heardOf(frame.id);
      const times = (this.deferrals.get(frame.id) || 0) + 1;
      this.deferrals.set(frame.id, times);
      if (frame.retry_after > 0 && times <= 3) {
        // Told when to come back: wait that long, then send the same message again.
        this.#after(frame.retry_after, () => {
          this.handedOver.delete(frame.id);
          this.flush();
        });
      } else {
        this.thread.fail(frame.id, text, frame.code !== "too_large" && frame.code !== "invalid");
      }
      this.on.change();
    }

    retry(id) {
      this.thread.retry(id);
      this.handedOver.delete(id);
      this.deferrals.delete(id);
      this.on.change();
      if (this.started) this.flush();
      else this.start();
    }

    #unauthorized() {
      // Sockets that were refused for the token's sake say nothing about the network.
      this.socketFailures = 0;
      this.#dropSession();
      this.#later();
    }

    #dropSession() {
      this.session = this.visitor = null;
      this.linked = false;
      this.outside.save(null);
      this.mustLink = Boolean(this.identity);
    }

    #later(seconds) {
      this.#stop();
      this.#set("lost");
      const delay = seconds || backOff(this.attempt++, this.outside.random());
      this.#after(delay, () => this.#cycle());
    }

    // Ends the present connection; whatever it still reports belongs to an old turn.
    #stop() {
      this.turn++;
      for (const timer of this.timers) this.outside.clearTimeout(timer);
      for (const request of this.requests) request.abort();
      this.timers.clear();
      this.receiptTimers.clear();
      const closing = this.closing;
      this.closing = this.socket = this.posting = null;
      this.handedOver.clear();
      if (closing) closing();
      this.on.typing(false);
      this.#set("idle");
      return this.turn;
    }

    #after(seconds, action) {
      const timer = this.outside.setTimeout(() => {
        this.timers.delete(timer);
        action();
      }, seconds * 1000);
      this.timers.add(timer);
      return timer;
    }

    #cancel(timer) {
      if (this.timers.delete(timer)) this.outside.clearTimeout(timer);
    }

    #set(state) {
      if (state === this.state) return;
      this.state = state;
      this.on.state(state);
    }

    async #request(path, { body, bearer }) {
      const headers = {};
      if (body) headers["Content-Type"] = "application/json";
      if (bearer) headers.Authorization = "Bearer " + this.session;
      const abort = new AbortController();
      this.requests.add(abort);
      const deadline = this.#after(ANSWER_WITHIN, () => abort.abort());
      try {
        const response = await this.outside.fetch(this.base + path, {
          method: body ? "POST" : "GET",
          headers,
          body: body && JSON.stringify(body),
          signal: abort.signal,
          credentials: "omit",
          cache: "no-store",
        });
        const answer = await response.json().catch(() => null);
        if (response.ok && answer) return answer;
        throw refusal(path, response, answer);
      } finally {
        this.#cancel(deadline);
        this.requests.delete(abort);
      }
    }
  }

  function refusal(path, response, answer) {
    const error = new Error(`${path.split("?")[0]} answered ${response.status}`);
    error.status = response.status;
    error.retryAfter = Number(response.headers.get("retry-after")) || (response.status === 403 ? 300 : 0);
    if (answer && answer.type === "error") error.frame = answer;
    else if (answer && answer.error) error.frame = { type: "error", code: answer.error.code, text: answer.error.message, retry_after: error.retryAfter };
    return error;
  }

  if (typeof document === "undefined") {
    module.exports = { STRINGS, Thread, Connection, backOff, linkText, linkify, pickLanguage, safeUrl };
    return;
  }
  if (customElements.get("doorstep-chat")) return;

  // ────────────────────────────── Look ──────────────────────────────

  const DARK = `
    color-scheme: dark;
    --accent: var(--doorstep-accent, #86cfae); --on-accent: var(--doorstep-on-accent, #0c2018);
    --surface: var(--doorstep-surface, #171b19); --text: var(--doorstep-text, #edefed);
    --muted: var(--doorstep-muted, #a5aea9); --line: var(--doorstep-line, #2f3632);
    --bubble: var(--doorstep-bubble, #252b28); --bad: #ff9d8c; --shadow: 0 18px 60px rgb(0 0 0 / .55);`;
  const STYLE = `
  :host {
    all: initial; color-scheme: light;
    --accent: var(--doorstep-accent, #1f5c46); --on-accent: var(--doorstep-on-accent, #fff);
    --surface: var(--doorstep-surface, #fff); --text: var(--doorstep-text, #1c211e);
    --muted: var(--doorstep-muted, #5b655f); --line: var(--doorstep-line, #e2e6e3);
    --bubble: var(--doorstep-bubble, #f0f3f1); --bad: #b3261e; --shadow: 0 18px 60px rgb(20 30 25 / .22);
    --radius: var(--doorstep-radius, 18px);
    --inline: var(--doorstep-position-inline, 24px); --block: var(--doorstep-position-block, 24px);
    --layer: var(--doorstep-layer, 2147483000);
    font: 15px/1.45 var(--doorstep-font, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif);
    color: var(--text);
  }
  @media (prefers-color-scheme: dark) { :host(:not([data-theme="light"])) { ${DARK} } }
  :host([data-theme="dark"]) { ${DARK} }
  *, ::before, ::after { box-sizing: border-box; }
  [hidden] { display: none !important; }
  button, textarea { font: inherit; color: inherit; margin: 0; }
  button { cursor: pointer; border: 0; background: none; padding: 0; -webkit-tap-highlight-color: transparent; }
  :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
  svg { display: block; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
  .quiet { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

  .launcher {
    position: fixed; z-index: var(--layer); inset-block-end: calc(var(--block) + env(safe-area-inset-bottom)); inset-inline-end: var(--inline);
    inline-size: 60px; block-size: 60px; border-radius: 50%; background: var(--accent); color: var(--on-accent);
    display: grid; place-items: center; box-shadow: 0 8px 26px rgb(15 30 22 / .3); transition: transform .2s ease, box-shadow .2s ease;
  }
  .launcher:hover { transform: translateY(-2px); box-shadow: 0 12px 30px rgb(15 30 22 / .36); }
  .launcher:focus-visible { outline-offset: 4px; }
  .launcher svg { inline-size: 31px; block-size: 31px; grid-area: 1 / 1; transition: opacity .18s, transform .25s; }
  .launcher .down { opacity: 0; transform: rotate(-60deg) scale(.7); }
  .launcher[aria-expanded="true"] .down { opacity: 1; transform: none; }
  .launcher[aria-expanded="true"] .chat { opacity: 0; transform: rotate(50deg) scale(.7); }
  .badge {
    position: absolute; inset-block-start: -3px; inset-inline-end: -3px; min-inline-size: 23px; block-size: 23px; padding-inline: 6px;
    border-radius: 12px; background: #c8432b; color: #fff; font-size: 12.5px; font-weight: 700; line-height: 23px; text-align: center;
    box-shadow: 0 0 0 3px var(--surface); animation: pop .35s cubic-bezier(.2, 1.6, .4, 1);
  }
  .peek {
    position: fixed; z-index: var(--layer); inset-block-end: calc(var(--block) + 76px + env(safe-area-inset-bottom)); inset-inline-end: var(--inline);
    display: flex; align-items: start; inline-size: min(320px, calc(100vw - 2 * var(--inline))); background: var(--surface);
    border: 1px solid var(--line); border-radius: var(--radius); border-end-end-radius: 6px; box-shadow: var(--shadow); animation: rise .3s ease;
  }
  .peek .read { flex: 1; min-inline-size: 0; padding-block: 13px 14px; padding-inline: 16px 4px; text-align: start; border-radius: inherit; }
  .peek strong { display: block; font-size: 12.5px; color: var(--muted); font-weight: 600; margin-block-end: 2px; }
  .peek .words { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 4; overflow: hidden; overflow-wrap: anywhere; }
  .icon { inline-size: 40px; block-size: 40px; flex: none; display: grid; place-items: center; border-radius: 50%; color: var(--muted); }
  .icon:hover { color: var(--text); background: color-mix(in srgb, var(--text) 8%, transparent); }
  .icon svg { inline-size: 20px; block-size: 20px; }

  .panel {
    position: fixed; z-index: var(--layer); inset-block-end: calc(var(--block) + 76px); inset-inline-end: var(--inline);
    inline-size: var(--doorstep-width, 396px); max-inline-size: calc(100vw - 32px);
    block-size: min(var(--doorstep-height, 660px), calc(100dvh - var(--block) - 100px));
    display: flex; flex-direction: column; overflow: hidden; background: var(--surface);
    border: 1px solid var(--line); border-radius: var(--radius); box-shadow: var(--shadow); animation: rise .28s cubic-bezier(.2, .8, .3, 1);
  }
  .head { display: flex; align-items: center; gap: 12px; padding-block: 12px; padding-inline: 16px 10px; border-block-end: 1px solid var(--line); }
  .mark {
    inline-size: 40px; block-size: 40px; flex: none; border-radius: 50% 50% 8px 8px; background: var(--accent); color: var(--on-accent);
    display: grid; place-items: center; font-size: 18px; font-weight: 700;
  }
  h2 { flex: 1; min-inline-size: 0; margin: 0; font-size: 16px; line-height: 1.3; font-weight: 650; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .banner { padding: 8px 16px; font-size: 13.5px; background: color-mix(in srgb, #d99a2b 20%, var(--surface)); border-block-end: 1px solid var(--line); }

  .log { flex: 1; min-block-size: 0; overflow-y: auto; overscroll-behavior: contain; padding: 16px; display: flex; flex-direction: column; outline-offset: -3px; scrollbar-width: thin; }
  .intro { margin: auto auto 18px; padding-block: 20px 4px; text-align: center; max-inline-size: 30ch; }
  .intro b { display: block; font-size: 17px; font-weight: 650; margin-block-end: 4px; }
  .intro span { color: var(--muted); }
  .day { align-self: center; margin-block: 14px 10px; font-size: 12.5px; color: var(--muted); }
  .day::first-letter { text-transform: uppercase; }
  .msg { display: flex; flex-direction: column; align-items: flex-start; margin-block-start: 10px; max-inline-size: 100%; animation: rise .22s ease; }
  .msg.follows { margin-block-start: 3px; }
  .own { align-items: flex-end; }
  .bubble {
    max-inline-size: 84%; padding: 9px 14px; border-radius: var(--radius); background: var(--bubble); white-space: pre-wrap; overflow-wrap: anywhere;
    border-end-start-radius: 6px; text-align: start;
  }
  .own .bubble { background: var(--accent); color: var(--on-accent); border-end-start-radius: var(--radius); border-end-end-radius: 6px; }
  .own.failed .bubble { background: color-mix(in srgb, var(--bad) 16%, var(--surface)); color: var(--text); }
  .bubble a { color: inherit; text-decoration: underline; text-underline-offset: 2px; }
  .tag { display: flex; align-items: center; gap: 6px; font-size: 12.5px; font-weight: 600; color: var(--muted); margin-block-end: 4px; }
  .tag::before { content: ""; inline-size: 7px; block-size: 7px; border-radius: 50%; background: var(--accent); }
  .meta { display: flex; flex-wrap: wrap; gap: 4px 6px; align-items: center; font-size: 12px; color: var(--muted); margin-block-start: 3px; padding-inline: 4px; }
  .meta svg { inline-size: 16px; block-size: 12px; }
  .failed .meta { color: var(--bad); justify-content: flex-end; text-align: end; }
  .meta button { text-decoration: underline; font-weight: 600; min-block-size: 24px; padding-inline: 4px; }

  .picture { display: block; max-inline-size: 100%; max-block-size: 320px; margin-top: 8px; border-radius: 12px; }
  .cards { display: flex; gap: 10px; max-inline-size: calc(100% + 32px); margin: 8px -16px 0; padding: 2px 16px 8px; overflow-x: auto; scroll-snap-type: x proximity; scroll-padding-inline: 16px; scrollbar-width: thin; }
  .card { flex: 0 0 196px; display: flex; flex-direction: column; scroll-snap-align: start; border: 1px solid var(--line); border-radius: calc(var(--radius) - 4px); overflow: hidden; background: var(--surface); }
  .card:only-child { flex-basis: min(260px, 100%); }
  .card img { inline-size: 100%; block-size: 120px; object-fit: contain; padding: 10px; background: var(--bubble); }
  .card .about { padding: 10px 12px 12px; display: flex; flex-direction: column; gap: 2px; flex: 1; }
  .card .name { font-weight: 650; line-height: 1.3; color: inherit; }
  .card .sub { color: var(--muted); font-size: 13px; line-height: 1.35; }
  .card .row { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 10px; margin-block-start: auto; padding-block-start: 6px; }
  .card .price { font-weight: 650; font-variant-numeric: tabular-nums; }
  .card .stock { font-size: 13px; color: var(--muted); }
  .card .deeds { display: grid; gap: 6px; margin-block-start: 8px; }
  .deed { min-block-size: 36px; padding: 6px 12px; border-radius: 999px; border: 1px solid var(--accent); color: var(--accent); font-size: 14px; font-weight: 600; text-align: center; text-decoration: none; transition: background .15s, color .15s; }
  .deed:hover { background: var(--accent); color: var(--on-accent); }
  .more { justify-self: center; padding: 4px 10px; color: var(--accent); font-size: 14px; text-underline-offset: 3px; }
  .quick { display: flex; flex-wrap: wrap; gap: 8px; margin-block-start: 10px; }
  .typing { align-self: flex-start; margin-block-start: 10px; display: flex; gap: 5px; padding: 13px 15px; border-radius: var(--radius); border-end-start-radius: 6px; background: var(--bubble); }
  .typing i { inline-size: 7px; block-size: 7px; border-radius: 50%; background: var(--muted); animation: breathe 1.2s infinite ease-in-out; }
  .typing i:nth-child(2) { animation-delay: .16s; } .typing i:nth-child(3) { animation-delay: .32s; }

  form { position: relative; display: flex; align-items: flex-end; gap: 8px; padding: 10px 12px; padding-block-end: max(12px, env(safe-area-inset-bottom)); border-block-start: 1px solid var(--line); }
  textarea {
    flex: 1; min-inline-size: 0; resize: none; block-size: 44px; max-block-size: 132px; padding: 10px 16px; border-radius: 22px;
    border: 1px solid color-mix(in srgb, var(--muted) 80%, var(--line)); background: var(--surface); font-size: 16px; line-height: 22px; scrollbar-width: thin;
  }
  textarea::placeholder { color: var(--muted); opacity: 1; }
  textarea:focus-visible { outline-offset: -1px; outline-width: 2px; border-color: var(--accent); }
  .send { inline-size: 44px; block-size: 44px; flex: none; border-radius: 50%; display: grid; place-items: center; background: var(--accent); color: var(--on-accent); transition: opacity .15s; }
  .send[aria-disabled="true"] { opacity: .45; }
  .send svg { inline-size: 20px; block-size: 20px; }
  .latest { position: absolute; inset-block-end: calc(100% + 10px); inset-inline: 0; margin-inline: auto; inline-size: 40px; block-size: 40px; border-radius: 50%; display: grid; place-items: center; background: var(--surface); border: 1px solid var(--line); box-shadow: 0 4px 14px rgb(0 0 0 / .18); }
  .latest svg { inline-size: 20px; block-size: 20px; }
  [dir="rtl"] .send svg { transform: scaleX(-1); }

  @media (max-width: 480px) {
    .panel { inset: 0; inline-size: 100vw; max-inline-size: none; block-size: var(--seen-height, 100dvh); inset-block-start: var(--seen-top, 0); inset-block-end: auto; border: 0; border-radius: 0; }
    .head { padding-block-start: max(12px, env(safe-area-inset-top)); }
    .launcher[aria-expanded="true"] { visibility: hidden; }
  }
  @media (pointer: coarse) { .log:focus-visible { outline: none; } }
  @media (forced-colors: active) { .launcher, .send, .bubble, .panel, .deed { border: 1px solid; } }
  @media (prefers-reduced-motion: reduce) { *, ::before, ::after { animation-duration: .01ms !important; animation-iteration-count: 1 !important; transition: none !important; } }
  @keyframes pop { from { transform: scale(.3); } }
  @keyframes rise { from { opacity: 0; transform: translateY(10px); } }
  @keyframes breathe { 0%, 60%, 100% { opacity: .35; } 30% { opacity: 1; transform: translateY(-2px); } }`;

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

  // ────────────────────────── DoorstepChat ──────────────────────────

  const script = document.currentScript;
  const BASE = script && script.src ? new URL(script.src).origin : location.origin;
  const NEAR = 80;
  const LONGEST = 4000;
  const SAME_BREATH_MS = 3 * 60 * 1000;
  const OPTIONS = ["data-shop-name", "data-locale", "data-identity", "data-theme", "data-open"];

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

  class DoorstepChat extends HTMLElement {
    static observedAttributes = OPTIONS;

    #thread = new Thread();
    #nodes = new Map();
    #days = new Map();
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
        fetch: (url, options) => fetch(url, options),
        WebSocket: window.WebSocket,
        setTimeout: (action, ms) => setTimeout(action, ms),
        clearTimeout: (timer) => clearTimeout(timer),
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
        notice: (text) => this.#showNotice(text),
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
        this.#banner.hidden = true;
        if (this.#opened) this.#connection.start();
      }
    }

    // ── Building ──

    #launcher; #badge; #panel; #log; #input; #sendButton; #banner; #typing; #intro; #latest; #title; #mark; #closeButton; #announcer; #peek;
    #stickToEnd = true;
    #bannerTimer;
    #typingTimer;
    #serverLanguage = "";
    #dateLocale = "en";
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
      this.#banner = make("div", { class: "banner", role: "status", hidden: "" });

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
      }, this.#latest, this.#input, this.#sendButton);

      this.#panel = make("section", { id: "panel", class: "panel", role: "dialog", hidden: "", onkeydown: (event) => this.#keys(event) },
        header, this.#banner, this.#log, form);
      this.#announcer = make("div", { class: "quiet", role: "status", "aria-live": "polite" });
      this.#peek = make("div", { class: "peek", hidden: "" });
      root.append(this.#panel, this.#peek, this.#launcher, this.#announcer);
      if (window.visualViewport) {
        const fit = () => this.#fitKeyboard();
        visualViewport.addEventListener("resize", fit);
        visualViewport.addEventListener("scroll", fit);
      }
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
      const before = this.#language;
      this.#language = pickLanguage(chosen ? [chosen] : wanted.slice(0, this.#serverLanguage ? 1 : undefined));
      this.#connection.locale = chosen || navigator.language || "en";
      // Dates keep the visitor's region (es-MX, not just es).
      this.#dateLocale = wanted.find((tag) => tag.toLowerCase().startsWith(this.#language)) || this.#language;
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
      if (before !== this.#language) {
        this.#nodes.clear();
        this.#days.clear();
      }
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
      const entries = this.#thread.ordered();
      const lastOwn = entries.findLastIndex((entry) => entry.from === "customer");
      const wanted = [this.#intro];
      let day = "";
      entries.forEach((entry, index) => {
        const at = new Date(entry.at);
        const previous = entries[index - 1];
        if (at.toDateString() !== day) {
          day = at.toDateString();
          wanted.push(this.#day(at, day));
        }
        const together = (a, b) => a && b && a.from === b.from && !b.proactive && Math.abs(new Date(b.at) - new Date(a.at)) < SAME_BREATH_MS;
        wanted.push(this.#message(entry, {
          follows: together(previous, entry),
          ends: !together(entry, entries[index + 1]),
          // Quick replies answer the last thing said; older ones would answer the wrong question.
          current: index > lastOwn && index === entries.length - 1,
        }));
      });
      wanted.push(this.#typing);
      this.#place(wanted);
      if (this.#stickToEnd) this.#toEnd();
      this.#scrolled();
      this.#markRead();
      this.#showUnread();
    }

    // Only what is new is inserted, so a screen reader is told of it once.
    #place(wanted) {
      const keep = new Set(wanted);
      for (const child of [...this.#log.childNodes]) if (!keep.has(child)) child.remove();
      let at = this.#log.firstChild;
      for (const node of wanted) {
        if (node === at) at = at.nextSibling;
        else this.#log.insertBefore(node, at);
      }
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
      let node = this.#nodes.get(entry.key);
      if (!node) {
        node = this.#newMessage(entry);
        this.#nodes.set(entry.key, node);
      }
      node.className = ["msg", entry.from === "customer" ? "own" : "", entry.status, place.follows ? "follows" : ""].join(" ");
      const quick = node.querySelector(".quick");
      if (quick) quick.hidden = !place.current;
      this.#drawMeta(node.querySelector(".meta"), entry, place.ends);
      return node;
    }

    #newMessage(entry) {
      const own = entry.from === "customer";
      const shop = this.getAttribute("data-shop-name") || this.#t("shop");
      const node = make("div", {}, make("span", { class: "quiet" }, (own ? this.#t("you") : shop) + ":"));
      if (entry.proactive || entry.from === "agent") node.append(make("div", { class: "tag" }, this.#t(entry.proactive ? "update" : "team")));
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
        node.append(make("div", { class: "cards", role: "list", "aria-label": this.#t("products") }, ...entry.cards.map((card) => this.#card(card))));
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
      if (url) deeds.append(make("a", { class: "more", href: url, target: "_blank", rel: "noopener", "aria-label": `${this.#t("view")}: ${title}` }, this.#t("view")));
      if (deeds.childElementCount) about.append(deeds);
      return make("div", { class: "card", role: "listitem" },
        image && make("img", { src: image, alt: "", loading: "lazy", referrerpolicy: "no-referrer", onerror: (event) => event.target.remove() }), about);
    }

    #button(button) {
      return make("button", { class: "deed", type: "button", dir: "auto", onclick: () => this.#press(button) }, asText(button.label));
    }

    #drawMeta(meta, entry, ends) {
      const own = entry.from === "customer";
      const read = own && entry.position !== null && entry.position <= this.#thread.readUpTo;
      const status = own ? (read ? "read" : entry.status) : "";
      const state = `${status}|${ends}|${entry.at}|${entry.error}`;
      if (meta.dataset.state === state) return;
      meta.dataset.state = state;
      meta.replaceChildren();
      meta.hidden = !ends && status !== "failed" && status !== "sending";
      if (status === "failed") {
        meta.append(entry.error || this.#t("failed"));
        if (entry.again !== false) meta.append(make("button", { type: "button", onclick: () => this.#connection.retry(entry.clientId) }, this.#t("retry")));
        return;
      }
      if (status !== "sending") {
        meta.append(make("time", { datetime: entry.at }, new Intl.DateTimeFormat(this.#dateLocale, { hour: "numeric", minute: "2-digit" }).format(new Date(entry.at))));
      }
      if (own) {
        meta.append(make("span", { class: "quiet" }, this.#t(status)));
        meta.append(status === "sending" ? make("span", { "aria-hidden": "true" }, this.#t("sending")) : icon(status === "read" ? "two" : "one", "0 0 20 15"));
      }
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
      if (state === "open") {
        clearTimeout(this.#bannerTimer);
        this.#bannerTimer = null;
        this.#banner.hidden = true;
      } else if (state === "lost" && !this.#bannerTimer) {
        // A hiccup that heals at once is not worth a line; one that lasts is, through every new try.
        this.#bannerTimer = setTimeout(() => {
          this.#bannerTimer = null;
          if (this.#connection.state === "open" || this.#connection.state === "idle") return;
          this.#banner.textContent = this.#t("lost");
          this.#banner.hidden = false;
        }, 1500);
      }
    }

    #showNotice(text) {
      if (!text) return;
      this.#banner.textContent = text;
      this.#banner.hidden = false;
      clearTimeout(this.#bannerTimer);
      this.#bannerTimer = setTimeout(() => {
        this.#bannerTimer = null;
        this.#banner.hidden = true;
      }, 6000);
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

  customElements.define("doorstep-chat", DoorstepChat);

  function begin() {
    let chat = document.querySelector("doorstep-chat");
    if (!chat) {
      chat = document.createElement("doorstep-chat");
      for (const name of OPTIONS) if (script && script.hasAttribute(name)) chat.setAttribute(name, script.getAttribute(name));
      document.body.append(chat);
    }
    if (script) {
      // A shop may sign its customer in without a reload: by changing the tag.
      new MutationObserver((changes) => {
        for (const { attributeName } of changes) {
          if (script.hasAttribute(attributeName)) chat.setAttribute(attributeName, script.getAttribute(attributeName));
          else chat.removeAttribute(attributeName);
        }
      }).observe(script, { attributes: true, attributeFilter: OPTIONS });
    }
    window.Doorstep = {
      open: () => chat.open(),
      close: () => chat.close(),
      send: (text) => chat.send(text),
      identify: (token) => chat.identify(token),
    };
    document.dispatchEvent(new Event("doorstep:ready"));
  }

  if (document.body) begin();
  else document.addEventListener("DOMContentLoaded", begin);
})();
