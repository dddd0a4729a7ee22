// Run with `node --test web/tests/` (Node 20 or later; nothing to install).
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

// As the server joins them; here only those that touch no page.
const folder = new URL("../widget/", import.meta.url);
const parts = readdirSync(folder).sort().map((name) => ({ name, text: readFileSync(new URL(name, folder), "utf8") }));
const whole = parts.map(({ text }) => text).join("");
const plain = parts.filter(({ name }) => name < "5").map(({ text }) => text).join("");
const names = "STRINGS, Suggester, Thread, Connection, backOff, linkText, linkify, pickLanguage, safeUrl";
const { STRINGS, Suggester, Thread, Connection, backOff, linkText, linkify, pickLanguage, safeUrl } = new Function(`"use strict"; ${plain} return { ${names} };`)();

const AT = "2026-03-02T10:00:00Z";
const frame = (position, more = {}) => ({ type: "message", id: `m${position}`, position, from: "shop", text: `text ${position}`, at: AT, ...more });
const texts = (thread) => thread.ordered().map((entry) => entry.text);

// ── Thread ──

test("messages are shown by position, whatever order they arrive in", () => {
  const thread = new Thread();
  for (const position of [3, 1, 2]) thread.accept(frame(position));
  assert.deepEqual(texts(thread), ["text 1", "text 2", "text 3"]);
});

test("a message that arrives twice is shown once", () => {
  const thread = new Thread();
  assert.ok(thread.accept(frame(1)));
  assert.equal(thread.accept(frame(1)), null);
  assert.equal(thread.entries.length, 1);
});

test("the customer's own message stays one bubble through receipt and history", () => {
  const thread = new Thread();
  thread.compose("hello", "a", AT);
  thread.receipt({ id: "a", status: "admitted", position: 1 });
  thread.accept(frame(1, { from: "customer", text: "hello", client_id: "a" }));
  assert.deepEqual(thread.entries.map(({ text, status, position }) => [text, status, position]), [["hello", "sent", 1]]);
});

test("history that comes before the receipt settles the optimistic bubble", () => {
  const thread = new Thread();
  thread.compose("hello", "a", AT);
  thread.accept(frame(4, { from: "customer", text: "hello", client_id: "a" }));
  thread.receipt({ id: "a", status: "duplicate", position: 4 });
  assert.deepEqual(thread.entries.map(({ text, status, position }) => [text, status, position]), [["hello", "sent", 4]]);
  assert.deepEqual(thread.unsent(), []);
});

test("a receipt that names an already shown position removes the twin", () => {
  const thread = new Thread();
  thread.compose("hello", "a", AT);
  thread.accept(frame(1, { from: "customer", text: "hello" }));
  thread.receipt({ id: "a", status: "duplicate", position: 1 });
  assert.deepEqual(texts(thread), ["hello"]);
});

test("an answer is shown below the message it answers even when it overtakes the receipt", () => {
  const thread = new Thread();
  thread.compose("question", "a", AT);
  thread.accept(frame(2, { text: "answer" }));
  thread.receipt({ id: "a", status: "admitted", position: 1 });
  assert.deepEqual(texts(thread), ["question", "answer"]);
});

test("resuming never skips a message that was still on its way", () => {
  const thread = new Thread();
  thread.accept(frame(1));
  thread.accept(frame(3));
  assert.equal(thread.cursor, 1);
  thread.accept(frame(2));
  assert.equal(thread.cursor, 3);
});

test("an answered poll moves the cursor over positions that are never shown", () => {
  const thread = new Thread();
  thread.accept(frame(4));
  thread.advanceTo(3);
  assert.equal(thread.cursor, 4);
});

test("unsent messages keep their order, their ids and their button", () => {
  const thread = new Thread();
  thread.compose("one", "a", AT);
  thread.compose("Yes", "b", AT, "confirm:yes");
  assert.deepEqual(thread.unsent(), [{ text: "one", id: "a" }, { text: "Yes", button: "confirm:yes", id: "b" }]);
  thread.receipt({ id: "a", status: "admitted", position: 1 });
  assert.deepEqual(thread.unsent().map(({ id }) => id), ["b"]);
});

test("a refused message can be tried again under the same id", () => {
  const thread = new Thread();
  thread.compose("one", "a", AT);
  thread.fail("a", "Too fast.", true);
  assert.deepEqual(thread.unsent(), []);
  thread.retry("a");
  assert.deepEqual(thread.unsent(), [{ text: "one", id: "a" }]);
});

test("unread counts what the shop wrote after the last seen position", () => {
  const thread = new Thread();
  thread.accept(frame(1));
  thread.accept(frame(2, { from: "customer", client_id: "x" }));
  thread.accept(frame(3, { from: "agent" }));
  assert.equal(thread.unreadAfter(0), 2);
  assert.equal(thread.unreadAfter(1), 1);
});

test("another conversation forgets the past but not what is still to be sent", () => {
  const thread = new Thread();
  thread.accept(frame(1));
  thread.compose("still here", "a", AT);
  thread.reset();
  assert.deepEqual(texts(thread), ["still here"]);
  assert.equal(thread.cursor, 0);
});

test("hostile frames do not break the thread", () => {
  const thread = new Thread();
  thread.accept({ type: "message", position: "9", text: { toString: () => "x" }, cards: "no", buttons: [null, 3], at: "never" });
  thread.receipt({ id: "unknown", status: "admitted", position: 2 });
  thread.fail("unknown", "no");
  assert.equal(thread.entries.length, 1);
  assert.deepEqual([thread.entries[0].cards, thread.entries[0].buttons], [[], []]);
});

// ── Words ──

test("only http and https become links, without the sentence's punctuation", () => {
  const hrefs = (text) => linkify(text).filter((part) => part.href).map((part) => part.text);
  assert.deepEqual(hrefs("See https://shop.example/track/a1."), ["https://shop.example/track/a1"]);
  assert.deepEqual(hrefs("(https://shop.example/a) or https://x.example/b_(c)"), ["https://shop.example/a", "https://x.example/b_(c)"]);
  assert.deepEqual(hrefs("javascript:alert(1) data:text/html,x ftp://x.example"), []);
  assert.equal(linkify("a https://x.example b").map((part) => part.text).join(""), "a https://x.example b");
});

test("a long link shows where it leads and not its token", () => {
  assert.equal(linkText("https://shop.example/returns/"), "shop.example/returns");
  assert.equal(linkText("https://shop.example/track/AAekeutSZ3ekvY2dqk9qBaqQws"), "shop.example/track/AAekeutSZ3ekvY2dq…");
  const host = "a-very-long-name-of-a-shop.with-many-parts.example";
  assert.ok(linkText(`https://${host}/track/AAekeutSZ3ekvY2dqk9qBaqQws`).startsWith(host + "/track/"));
});

test("unsafe addresses are dropped and relative ones belong to the server", () => {
  assert.equal(safeUrl("javascript:alert(1)", "https://bot.example"), null);
  assert.equal(safeUrl("/demo/art/jacket.svg", "https://bot.example"), "https://bot.example/demo/art/jacket.svg");
  assert.equal(safeUrl(undefined, "https://bot.example"), null);
});

test("the visitor's language is found by its primary subtag", () => {
  assert.equal(pickLanguage(["es-MX"]), "es");
  assert.equal(pickLanguage(["ja", "ar-EG", "en"]), "ar");
  assert.equal(pickLanguage(["constructor", "ja"]), "en");
});

test("every language has every string and every placeholder", () => {
  const holes = (text) => (text.match(/\{\w+\}/g) || []).sort();
  for (const [language, strings] of Object.entries(STRINGS)) {
    assert.deepEqual(Object.keys(strings).sort(), Object.keys(STRINGS.en).sort(), language);
    for (const [word, text] of Object.entries(strings)) {
      assert.ok(text.trim(), `${language}.${word} is empty`);
      assert.deepEqual(holes(text), holes(STRINGS.en[word]), `${language}.${word}`);
    }
  }
  assert.deepEqual(Object.keys(STRINGS).sort(), ["ar", "de", "en", "es", "fr", "it", "pt", "ru"]);
});

test("the widget is under 30 kB gzipped", () => {
  const size = gzipSync(whole, { level: 9 }).length;
  assert.ok(size < 30_000, `${size} bytes`);
});

test("server text is never turned into markup", () => {
  assert.doesNotMatch(whole, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(/);
});

// ── Connection ──

class FakeSocket {
  constructor(url) {
    this.url = url;
    this.sent = [];
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {}
  open() {
    this.onopen();
  }
  say(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }
  drop(code = 1006) {
    this.onclose({ code });
  }
}

const NOW = Date.parse(AT);
const HOUR = 3_600_000;

/** A world with a clock that only moves when told, and a server made of `answers`. What was saved was renewed just now. */
function world({ answers, saved = null, sockets = true } = {}) {
  const here = { sockets: [], requests: [], timers: new Map(), saved: saved && { renewed: NOW, ...saved }, states: [], languages: [], now: NOW };
  let next = 0;
  const session = { status: 200, body: { session: "s1", visitor: "v1", language: "es" } };
  const outside = {
    fetch: (url, options) => {
      const request = { path: url.replace("https://bot.example", ""), body: options.body && JSON.parse(options.body), headers: options.headers };
      here.requests.push(request);
      const answer = answers?.(request) ?? (request.path === "/chat/session" ? session : undefined);
      // No answer: a long poll that stays open.
      if (!answer) return new Promise(() => {});
      const headers = { get: (name) => answer.headers?.[name] ?? null };
      return Promise.resolve({ ok: answer.status < 300, status: answer.status, headers, json: async () => answer.body });
    },
    WebSocket: sockets && class extends FakeSocket {
      constructor(url) {
        super(url);
        here.sockets.push(this);
      }
    },
    setTimeout: (action, ms) => {
      here.timers.set(++next, { action, ms });
      return next;
    },
    clearTimeout: (timer) => here.timers.delete(timer),
    random: () => 1,
    now: () => here.now,
    timeZone: () => here.timeZone,
    load: () => here.saved,
    save: (value) => (here.saved = value),
  };
  here.thread = new Thread();
  here.connection = new Connection("https://bot.example", here.thread, outside, {
    change() {},
    state: (state) => here.states.push(state),
    typing() {},
    session: (language) => here.languages.push(language),
    notice() {},
  });
  here.settle = () => new Promise((done) => setImmediate(done));
  /** Fires the timers due within `seconds`, earliest first. */
  here.pass = async (seconds) => {
    const due = [...here.timers].filter(([, timer]) => timer.ms <= seconds * 1000).sort((a, b) => a[1].ms - b[1].ms);
    for (const [id, timer] of due) if (here.timers.delete(id)) timer.action();
    await here.settle();
  };
  here.socket = () => here.sockets.at(-1);
  return here;
}

test("a visitor gets a session once and keeps it", async () => {
  const here = world();
  here.connection.start();
  await here.settle();
  assert.deepEqual(here.saved, { session: "s1", visitor: "v1", linked: false, renewed: NOW });
  assert.equal(here.socket().url, "wss://bot.example/chat/ws?session=s1&after=0");
  assert.deepEqual(here.languages, ["es"]);

  const again = world({ saved: here.saved });
  again.connection.start();
  await again.settle();
  assert.deepEqual(again.requests, []);
});

test("a visitor who comes back is renewed once a day, and stays the same", async () => {
  // The last one is of a widget that did not say when.
  for (const [renewed, asked] of [[NOW - 23 * HOUR, 0], [NOW - 24 * HOUR, 1], [NOW + HOUR, 1], [undefined, 1]]) {
    const here = world({ saved: { session: "old", visitor: "v1", renewed } });
    here.thread.accept(frame(1));
    here.connection.start();
    await here.settle();
    assert.deepEqual(here.requests.map(({ path, body }) => [path, body.session]), Array(asked).fill(["/chat/session", "old"]));
    assert.equal(here.saved.session, asked ? "s1" : "old");
    assert.equal(here.saved.renewed, asked ? NOW : renewed);
    assert.match(here.socket().url, asked ? /session=s1&after=1$/ : /session=old&after=1$/);
    assert.deepEqual(texts(here.thread), ["text 1"]);
  }
});

test("a page that stays open for days is renewed when it connects again", async () => {
  const here = world({ saved: { session: "old", visitor: "v1" } });
  here.connection.start();
  await here.settle();
  here.socket().open();
  here.now += 25 * HOUR;
  here.socket().drop();
  await here.pass(1);
  await here.settle();
  assert.deepEqual(here.requests.map(({ path }) => path), ["/chat/session"]);
  assert.match(here.socket().url, /session=s1/);
  here.socket().drop();
  await here.pass(1);
  assert.equal(here.requests.length, 1, "not again on the same day");
});

test("messages say the visitor's time zone, and nothing else does", async () => {
  const here = world({ saved: { session: "s1" } });
  here.connection.start();
  await here.settle();
  here.socket().open();
  here.timeZone = "America/Los_Angeles";
  here.thread.compose("Tomorrow?", "a", AT);
  here.connection.flush();
  here.connection.read(1);
  // As of a browser that knows none.
  here.timeZone = undefined;
  here.thread.compose("Or later?", "b", AT);
  here.connection.flush();
  assert.deepEqual(here.socket().sent, [
    { text: "Tomorrow?", id: "a", time_zone: "America/Los_Angeles" },
    { type: "read", position: 1 },
    { text: "Or later?", id: "b" },
  ]);
});

test("what was not acknowledged is sent again under the same id after a reconnect", async () => {
  const here = world({ saved: { session: "s1" } });
  here.connection.start();
  await here.settle();
  here.socket().open();
  here.socket().say(frame(1));
  here.thread.compose("hello", "a", AT);
  here.connection.flush();
  here.socket().drop();
  await here.pass(1);
  assert.equal(here.sockets.length, 2);
  assert.match(here.socket().url, /after=1$/);
  here.socket().open();
  assert.deepEqual(here.sockets.map((socket) => socket.sent), [[{ text: "hello", id: "a" }], [{ text: "hello", id: "a" }]]);
  here.socket().say({ type: "receipt", id: "a", status: "duplicate", position: 2 });
  here.connection.flush();
  assert.equal(here.socket().sent.length, 1);
});

test("a socket that swallows messages is replaced", async () => {
  const here = world({ saved: { session: "s1" } });
  here.connection.start();
  await here.settle();
  here.socket().open();
  here.thread.compose("hello", "a", AT);
  here.connection.flush();
  await here.pass(20);
  assert.equal(here.sockets.length, 2);
});

test("after two failed sockets the same conversation goes on by long polling", async () => {
  let polls = 0;
  const here = world({
    saved: { session: "s1" },
    answers: ({ path, body }) => {
      if (body) return { status: 200, body: { type: "receipt", id: body.id, status: "admitted", position: 2 } };
      if (path.startsWith("/chat/messages") && polls++ === 0) return { status: 200, body: { messages: [frame(1)], position: 1 } };
    },
  });
  here.thread.compose("hello", "a", AT);
  here.connection.start();
  await here.settle();
  here.socket().drop();
  await here.pass(1);
  here.socket().drop();
  await here.pass(2);
  await here.settle();
  assert.deepEqual(here.requests.filter(({ body }) => !body).map(({ path }) => path), ["/chat/messages?after=0&wait=0", "/chat/messages?after=1&wait=25"]);
  assert.deepEqual(here.requests.filter(({ body }) => body).map(({ body }) => body), [{ text: "hello", id: "a" }]);
  assert.equal(here.requests[0].headers.Authorization, "Bearer s1");
  assert.deepEqual(here.thread.ordered().map(({ text, status }) => [text, status]), [["text 1", "sent"], ["hello", "sent"]]);
  await here.pass(60);
  assert.equal(here.sockets.length, 3, "the socket is tried again later");
});

test("a refused session is dropped and asked anew", async () => {
  const here = world({
    saved: { session: "old", linked: true },
    answers: ({ path, body }) => path === "/chat/session" && body.session === "old" ? { status: 401, body: null } : undefined,
  });
  here.connection.identify("token");
  await here.settle();
  assert.deepEqual(here.requests.map(({ body }) => [body.identity, body.session]), [["token", "old"], ["token", undefined]]);
  assert.deepEqual(here.saved, { session: "s1", visitor: "v1", linked: true, renewed: NOW });
});

test("a stale identity does not cost a guest the conversation, nor open a customer's", async () => {
  const answers = ({ path, body }) => (path === "/chat/session" && body.identity ? { status: 401, body: null } : undefined);
  const guest = world({ saved: { session: "g", visitor: "v1" }, answers });
  guest.connection.identify("stale");
  await guest.settle();
  assert.equal(guest.requests.at(-1).body.session, "g");

  const customer = world({ saved: { session: "c", visitor: "v0", linked: true }, answers });
  customer.connection.identify("stale");
  await customer.settle();
  assert.deepEqual(Object.keys(customer.requests.at(-1).body), ["locale"]);
});

test("a renewed token of the same visitor keeps what was said", async () => {
  const here = world({ saved: { session: "old", visitor: "v1" } });
  here.thread.accept(frame(1));
  here.connection.identify("token");
  await here.settle();
  assert.equal(here.saved.session, "s1");
  assert.deepEqual(texts(here.thread), ["text 1"]);
});

test("a refusal over HTTP is told at the message", async () => {
  const here = world({
    saved: { session: "s1" }, sockets: false,
    answers: ({ path, body }) => {
      if (body) return { status: 413, body: { error: { code: "too_large", message: "Too long." } } };
      if (path.endsWith("wait=0")) return { status: 200, body: { messages: [], position: 0 } };
    },
  });
  here.thread.compose("long", "a", AT);
  here.connection.start();
  await here.settle();
  await here.settle();
  assert.deepEqual([here.thread.find("a").status, here.thread.find("a").error], ["failed", "Too long."]);
});

test("signing out forgets the session and what was said", async () => {
  const here = world({ saved: { session: "s1", linked: true } });
  here.connection.start();
  await here.settle();
  here.socket().open();
  here.socket().say(frame(1));
  here.connection.identify(null);
  assert.equal(here.saved, null);
  assert.deepEqual(here.thread.entries, []);
  here.sockets[0].say(frame(2));
  assert.deepEqual(here.thread.entries, [], "a late frame of the old conversation is not shown");
});

test("a rate limit with a time is waited for, one without is shown", async () => {
  const here = world({ saved: { session: "s1" } });
  here.connection.start();
  await here.settle();
  here.socket().open();
  here.thread.compose("one", "a", AT);
  here.thread.compose("two", "b", AT);
  here.connection.flush();
  here.socket().say({ type: "error", code: "rate_limited", id: "a", text: "Slowly.", retry_after: 5 });
  here.socket().say({ type: "error", code: "too_large", id: "b", text: "Too long." });
  await here.pass(5);
  assert.deepEqual(here.socket().sent.map(({ id }) => id), ["a", "b", "a"]);
  assert.deepEqual([here.thread.find("b").status, here.thread.find("b").error, here.thread.find("b").again], ["failed", "Too long.", false]);
  assert.equal(here.sockets.length, 1);
});

test("a server that asks for a pause gets it", async () => {
  const here = world({ answers: () => ({ status: 503, headers: { "retry-after": "7" }, body: null }) });
  here.connection.start();
  await here.settle();
  await here.pass(6);
  assert.equal(here.requests.length, 1);
  await here.pass(7);
  assert.equal(here.requests.length, 2);
});

test("reconnects back off, with a ceiling and with chance in them", () => {
  assert.deepEqual([0, 1, 2, 20].map((attempt) => backOff(attempt, 1)), [0.5, 1, 2, 30]);
  assert.deepEqual([0, 20].map((attempt) => backOff(attempt, 0)), [0.25, 15]);
});

// ── Suggestions ──

/** A suggester whose clock and server a test moves. */
function suggesting() {
  const here = { asked: [], shown: [], timers: new Map() };
  let next = 0;
  const outside = {
    setTimeout: (action, ms) => (here.timers.set(++next, { action, ms }), next),
    clearTimeout: (timer) => here.timers.delete(timer),
    fetch: (url, { signal }) => new Promise((resolve, reject) => {
      here.asked.push({ url, signal, answer: resolve });
      signal.addEventListener("abort", () => reject(signal.reason));
    }),
  };
  here.suggester = new Suggester("https://bot.example", outside, (titles) => here.shown.push(titles));
  here.pause = (most = 1000) => {
    for (const [timer, { action, ms }] of [...here.timers]) if (ms <= most && here.timers.delete(timer)) action();
  };
  here.says = async (at, status, body, headers = {}) => {
    here.asked[at].answer(new Response(JSON.stringify(body), { status, headers }));
    await new Promise((resolve) => setImmediate(resolve));
  };
  return here;
}

const titled = (...titles) => ({ suggestions: titles.map((title) => ({ id: title, title })) });

test("suggestions are asked for once, when the visitor pauses", async () => {
  const here = suggesting();
  for (const text of ["r", "ra", "rai", "rain & co"]) here.suggester.typed(text);
  assert.deepEqual(here.asked, []);
  here.pause();
  assert.deepEqual(here.asked.map(({ url }) => url), ["https://bot.example/search/suggest?limit=5&q=rain%20%26%20co"]);
  await here.says(0, 200, titled("Rain jacket", "Rain hat", "Rain hat"));
  assert.deepEqual(here.shown.at(-1), ["Rain jacket", "Rain hat"]);
});

test("what is past is aborted and never shown", async () => {
  const here = suggesting();
  here.suggester.typed("rain");
  here.pause();
  here.suggester.typed("rain j");
  assert.ok(here.asked[0].signal.aborted);
  await here.says(0, 200, titled("Rain hat"));
  here.pause();
  await here.says(1, 200, titled("Rain jacket"));
  assert.deepEqual(here.shown, [["Rain jacket"]]);
  here.suggester.typed("rain ja");
  here.pause();
  here.suggester.forget();
  await here.says(2, 200, titled("Rain jacket"));
  assert.equal(here.shown.length, 1, "the message is sent by now");
});

test("a letter, a sentence and a second line are not asked about", () => {
  const here = suggesting();
  for (const text of ["r", "  ", "x".repeat(61), "rain\njacket"]) here.suggester.typed(text);
  here.pause();
  assert.deepEqual(here.asked, []);
  assert.deepEqual(here.shown, [[], [], [], []]);
});

test("what is written already is not suggested", async () => {
  const here = suggesting();
  here.suggester.typed("Rain Hat");
  here.pause();
  await here.says(0, 200, titled("Rain hat", "Rain hat, wide"));
  assert.deepEqual(here.shown, [["Rain hat, wide"]]);
});

test("a server that cannot suggest is left alone for as long as it says", async () => {
  const here = suggesting();
  here.suggester.typed("rain");
  here.pause();
  await here.says(0, 429, {}, { "retry-after": "7" });
  here.suggester.typed("rain j");
  here.pause();
  assert.equal(here.asked.length, 1);
  here.pause(7000);
  here.suggester.typed("rain ja");
  here.pause();
  await here.says(1, 200, { suggestions: "none" });
  assert.equal(here.asked.length, 2);
  assert.deepEqual(here.shown, [[], [], []]);
});
