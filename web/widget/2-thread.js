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
    return this.#add({ position: null, clientId: id, from: "customer", text, at, button, status: "sending" });
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
