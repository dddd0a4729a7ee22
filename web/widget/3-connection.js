// ─────────────────────────── Connection ───────────────────────────

// Times in seconds.
const SOCKET_FAILURES_BEFORE_POLLING = 2;
const RETRY_SOCKET_AFTER = 60;
const RECEIPT_WITHIN = 15;
const WAIT = 25;
const ANSWER_WITHIN = WAIT + 15;
const RENEW_AFTER = 24 * 60 * 60;
const BACK_OFF = { first: 0.5, most: 30 };

/** Seconds before reconnect number `attempt`: doubles, capped, half of it random. */
function backOff(attempt, random) {
  const full = Math.min(BACK_OFF.most, BACK_OFF.first * 2 ** Math.min(attempt, 16));
  return full / 2 + (random * full) / 2;
}

/**
 * Keeps one session alive: WebSocket first, long polling when that fails twice.
 * `outside` holds what it touches: fetch, WebSocket, setTimeout, clearTimeout, random, now() in milliseconds,
 * timeZone() (an IANA name), load(), save({session, visitor, linked, renewed}). `on` hears: change(), state(name), typing(on), session(language), notice(text).
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
    /** When the token was last given, in milliseconds: the server forgets a visitor so many days after that. */
    this.renewed = Number(saved.renewed) || 0;
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
    // Answers count days from where the visitor is; frames with a type are no messages.
    if (!frame.type) frame = { ...frame, time_zone: this.outside.timeZone() };
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
      if (!this.session || this.mustLink || this.#isToBeRenewed()) await this.#openSession(turn);
      if (turn !== this.turn) return;
      if (this.outside.WebSocket && this.socketFailures < SOCKET_FAILURES_BEFORE_POLLING) this.#listen(turn);
      else await this.#poll(turn);
    } catch (error) {
      if (turn !== this.turn) return;
      if (error.status === 401) this.#unauthorized();
      else this.#later(error.retryAfter);
    }
  }

  /** Whether the last visit that the server knows of is a day ago (or lies ahead: the clock was set back). */
  #isToBeRenewed() {
    const age = (this.outside.now() - this.renewed) / 1000;
    return age < 0 || age >= RENEW_AFTER;
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
    this.renewed = this.outside.now();
    this.outside.save({ session: this.session, visitor, linked: this.linked, renewed: this.renewed });
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
