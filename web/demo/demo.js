// The demo page: a storefront, and beside it the desk: who waits for a person, the carrier's news, the shelf, the inbox.
// Talks to /demo/* only; whatever comes from the server is set as text, never as markup.

const $ = (id) => document.getElementById(id);
const FIRST_SHELF = 12;
const BACK_OFF = { first: 1000, most: 20_000 };
const SIGNED_IN_AS = "doorstep-demo:customer";

const page = { state: { products: [], customers: [], orders: [] }, category: "", all: false, letters: [], unseen: new Set(), open: null, chosen: false, inboxSeen: false, waiting: new Set() };

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const said = (word) => String(word || "").replace(/[_-]/g, " ");

async function ask(path, body) {
  const response = await fetch(path, body === undefined ? { cache: "no-store" } : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new Error(answer?.error?.message || `The demo answered ${response.status}.`);
  return answer;
}

/** The chat widget loads on its own time. */
function chat() {
  if (window.Doorstep) return Promise.resolve(window.Doorstep);
  return new Promise((done) => document.addEventListener("doorstep:ready", () => done(window.Doorstep), { once: true }));
}

async function say(text) {
  const doorstep = await chat();
  doorstep.open();
  doorstep.send(text);
}

// ── Storefront ──

// The same product always gets the same tint, whatever the order of the list.
function fold(text) {
  let sum = 0;
  for (const letter of text) sum = (sum * 31 + letter.codePointAt(0)) >>> 0;
  return sum;
}

function showShelf() {
  const { products } = page.state;
  const chosen = products.filter((product) => !page.category || product.category === page.category);
  const shown = page.all || page.category ? chosen : mixed(chosen).slice(0, FIRST_SHELF);
  $("products").replaceChildren(...shown.map(tile));
  $("more").hidden = shown.length >= chosen.length;
  $("more").textContent = `Show all ${chosen.length} products`;
}

/** One of each category, then the next of each: the first shelf shows what there is. */
function mixed(products) {
  const seen = new Map();
  return products
    .map((product, index) => {
      const round = seen.get(product.category) || 0;
      seen.set(product.category, round + 1);
      return { product, round, index };
    })
    .sort((a, b) => a.round - b.round || a.index - b.index)
    .map(({ product }) => product);
}

function tile(product) {
  const number = fold(product.sku);
  const none = /^(0\b|out|sold)/i.test(product.stock || "");
  return make("li", { class: "product" },
    make("div", { class: `tile tint-${number % 6} dye-${(number >>> 4) % 5}` }, make("img", { src: product.image, alt: "", width: "240", height: "240", loading: "lazy" })),
    make("h3", {}, product.title),
    make("p", { class: "facts" }, make("span", { class: "price" }, product.price), make("span", { class: none ? "stock none" : "stock" }, product.stock)),
    make("button", { class: "ask", type: "button", "aria-label": `Ask about ${product.title}`, onclick: () => say(`Is the ${product.title} in stock?`) }, "Ask about it"));
}

function showFilter() {
  const categories = [...new Set(page.state.products.map((product) => product.category).filter(Boolean))];
  const choice = (value, label) => make("button", {
    type: "button", "aria-pressed": String(page.category === value),
    onclick: () => {
      page.category = value;
      for (const button of $("filter").children) button.setAttribute("aria-pressed", String(button.dataset.value === value));
      showShelf();
    },
    "data-value": value,
  }, label);
  $("filter").replaceChildren(choice("", "All"), ...categories.map((category) => choice(category, said(category).replace(/^./, (first) => first.toUpperCase()))));
}

// ── The carrier's desk ──

const customerOf = (order) => page.state.customers.find((customer) => customer.id === order.customer_id);
const chosenOrder = () => page.state.orders.find((order) => order.number === $("order").value);

function showCustomers() {
  const names = new Intl.DisplayNames("en", { type: "language", fallback: "code" });
  $("customer").append(...page.state.customers.map((customer) =>
    make("option", { value: customer.id }, [customer.name, customer.city, named(names, customer.language)].filter(Boolean).join(", "))));
  const before = sessionStorage.getItem(SIGNED_IN_AS);
  if (before && customerOf({ customer_id: before })) {
    $("customer").value = before;
    signIn(before);
  }
}

function named(names, tag) {
  try {
    return names.of(tag);
  } catch {
    return tag;
  }
}

/** A guest may play the carrier for anyone; a customer sees only their own orders. */
function showOrders(wanted) {
  const customer = $("customer").value;
  const orders = page.state.orders.filter((order) => !customer || order.customer_id === customer);
  $("order").replaceChildren(...orders.map((order) => make("option", { value: order.number },
    [order.number, customer ? null : customerOf(order)?.name, said(order.status)].filter(Boolean).join(" · "))));
  if (orders.some((order) => order.number === wanted)) $("order").value = wanted;
  showParcel();
}

function showParcel() {
  const order = chosenOrder();
  for (const button of $("actions").children) button.disabled = !order;
  if (!order) {
    $("parcel").replaceChildren(make("p", {}, "This customer has no orders yet."));
    return;
  }
  const items = Array.isArray(order.items) ? order.items.map((item) => (typeof item === "string" ? item : `${item.quantity > 1 ? item.quantity + " × " : ""}${item.title}`)).join(", ") : String(order.items ?? "");
  const owner = customerOf(order);
  const parts = [
    make("div", { class: "line" }, make("span", { class: "number" }, "№ " + order.number), make("span", { class: "status" }, said(order.status))),
    make("p", { class: "items" }, [items, owner ? `for ${owner.name}` : ""].filter(Boolean).join(", ")),
  ];
  if (order.tracking_number) {
    parts.push(make("div", { class: "bars", "aria-hidden": "true" }), make("p", { class: "tracking" }, [order.carrier, order.tracking_number].filter(Boolean).join("  ")));
  }
  if (owner && $("customer").value !== owner.id) {
    parts.push(make("p", { class: "away" }, "You are a guest, so this parcel's news goes out by e-mail. ",
      make("button", { type: "button", onclick: () => becomeOwner(owner.id, order.number) }, `Sign in as ${owner.name}`), " to see it in the chat too."));
  }
  $("parcel").replaceChildren(...parts);
}

function becomeOwner(customer, number) {
  $("customer").value = customer;
  changeCustomer(number);
}

function changeCustomer(number) {
  showOrders(number);
  signIn($("customer").value);
}

async function signIn(customer) {
  const doorstep = await chat();
  try {
    const token = customer ? (await ask("/demo/identity", { customer_id: customer })).identity : null;
    // Another choice may have been made while the token was on its way.
    if ($("customer").value !== customer) return;
    // As a shop's page would: the chat speaks the language that the customer's account has.
    const locale = customerOf({ customer_id: customer })?.language || "";
    document.querySelector("doorstep-chat").setAttribute("data-locale", locale);
    if (customer) sessionStorage.setItem(SIGNED_IN_AS, customer);
    else sessionStorage.removeItem(SIGNED_IN_AS);
    doorstep.identify(token);
  } catch (problem) {
    showWireProblem(problem);
  }
}

async function sendNews(button) {
  const order = chosenOrder();
  if (!order || button.dataset.busy) return;
  button.dataset.busy = "yes";
  const source = document.querySelector("input[name=source]:checked").value;
  try {
    const exchange = await ask("/demo/events", { order: order.number, action: button.dataset.action, source, twice: $("twice").checked });
    showWire(exchange);
    if (exchange.responses.some((response) => response.status < 300)) showDecisions(exchange.event);
    $("wire").scrollIntoView({ block: "nearest" });
    refresh();
  } catch (problem) {
    showWireProblem(problem);
  } finally {
    delete button.dataset.busy;
  }
}

const PHRASES = { 200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict", 413: "Content Too Large", 422: "Unprocessable", 429: "Too Many Requests", 500: "Server Error", 503: "Unavailable" };

function showWire({ request, responses }) {
  const sent = make("div", { class: "sent", tabindex: "0", "aria-label": "The request" });
  sent.append(make("span", { class: "start" }, `${request.method} ${pathOf(request.url)}`), "\n");
  for (const [name, value] of Object.entries(request.headers)) {
    const mark = /signature|hmac/i.test(name) ? make("span", { class: "signature" }, String(value)) : String(value);
    sent.append(make("span", { class: "name" }, name + ": "), mark, "\n");
  }
  sent.append("\n", ...coloured(request.body));
  const answers = make("div", { class: "answers" }, ...responses.map((response, index) =>
    make("div", { class: response.status < 300 ? "answer" : "answer bad" },
      make("b", {}, `${responses.length > 1 ? ["1st ", "2nd "][index] ?? "" : ""}→ ${response.status} ${PHRASES[response.status] ?? ""}`.trim()),
      make("span", {}, briefly(response.body)))));
  const note = responses.length > 1 ? "The same request, byte for byte, twice. The customer hears of it once." : "The body is indented here for reading; the signature covers it as sent.";
  $("wire").replaceChildren(make("div", { class: "wire-box" }, sent, answers), make("p", { class: "wire-note" }, note));
}

/** What came of the event: who was told, or why nobody was. As `doorstep explain` has it. */
async function showDecisions(event) {
  const box = make("div", { class: "verdicts" }, make("p", { class: "wire-note" }, "Deciding who hears of it…"));
  $("wire").append(box);
  try {
    const { decisions } = await ask(`/demo/decisions?${new URLSearchParams({ source: event.source, event: event.id, wait: 20 })}`);
    box.replaceChildren(...(decisions.length ? decisions.map(verdict) : [make("p", { class: "wire-note" }, "It is not decided yet who hears of it.")]));
  } catch (problem) {
    box.replaceChildren(make("p", { class: "wire-note" }, problem.message));
  }
}

const VERDICTS = { told: "Told", waits: "Waits", held: "Not told" };
const PLACES = { webchat: "in the chat", email: "by e-mail" };

function verdict(decision) {
  const told = decision.told.map(({ channel, language }) => `${PLACES[channel] ?? "on " + said(channel)} (${language})`);
  const until = decision.decision === "waits" && decision.due_at ? `until ${clock.format(new Date(decision.due_at))}` : null;
  const more = [decision.rule && `rule ${decision.rule}`, told.join(" and "), until].filter(Boolean).join(" · ");
  return make("div", { class: `verdict ${decision.decision}` },
    make("b", {}, VERDICTS[decision.decision] ?? said(decision.decision)),
    make("span", {}, ...quoted(decision.reason)),
    more ? make("small", {}, more) : null);
}

/** Text with its `names` as code. */
const quoted = (text) => String(text).split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));

function showWireProblem(problem) {
  $("wire").replaceChildren(make("p", { class: "empty" }, problem.message));
}

function pathOf(url) {
  try {
    return new URL(url, location.href).pathname;
  } catch {
    return url;
  }
}

function briefly(body) {
  const text = typeof body === "string" ? body : body == null ? "" : JSON.stringify(body);
  return text.length > 160 ? text.slice(0, 160) + "…" : text;
}

/** JSON as coloured text nodes; anything else as it is. */
function coloured(body) {
  let text;
  try {
    text = JSON.stringify(typeof body === "string" ? JSON.parse(body) : body, null, 2);
  } catch {
    return [String(body)];
  }
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d[\d.eE+-]*/g)) {
    parts.push(text.slice(end, match.index));
    const kind = match[2] ? "j-key" : match[1] ? "j-text" : "j-other";
    parts.push(make("span", { class: kind }, match[1] ?? match[0]), match[2] ?? "");
    end = match.index + match[0].length;
  }
  parts.push(text.slice(end));
  return parts;
}

// ── The shelf ──

const onShelf = () => page.state.products.find((product) => product.id === $("stock-product").value);

function showShelfOfSizes() {
  const sized = page.state.products.filter((product) => product.sizes.length > 1);
  $("stock-product").replaceChildren(...sized.map((product) => make("option", { value: product.id }, product.title)));
  showSizes();
}

function showSizes() {
  const product = onShelf();
  $("stock-sizes").replaceChildren(...(product?.sizes ?? []).map(({ size, stock }) => make("button", {
    type: "button", "aria-pressed": String(stock === 0), "data-size": size, onclick: () => changeStock(product, size, stock > 0),
  }, make("span", { class: "size" }, size), make("small", {}, stock === 0 ? "sold out" : `${stock} left`))));
}

async function changeStock(product, size, soldOut) {
  const told = $("stock-said");
  try {
    const now = await ask("/demo/stock", { product: product.id, size, sold_out: soldOut });
    page.state.products = page.state.products.map((one) => (one.id === now.id ? now : one));
    showShelf();
    told.replaceChildren(`${size} is ${soldOut ? "sold out" : "back"}. `,
      make("button", { type: "button", onclick: () => say(`Is the ${product.title} in stock in size ${size}?`) }, "Ask for it in the chat"));
    // Another product may have been chosen meanwhile.
    if (onShelf()?.id !== now.id) return;
    showSizes();
    [...$("stock-sizes").children].find((button) => button.dataset.size === size)?.focus({ preventScroll: true });
  } catch (problem) {
    told.textContent = problem.message;
  }
}

// ── Who waits for a person ──

async function watchPeople() {
  let seen = "";
  for (let pause = BACK_OFF.first; ;) {
    await looked();
    try {
      const answer = await ask(`/demo/handoffs?${new URLSearchParams({ seen, wait: seen ? 20 : 0 })}`);
      pause = BACK_OFF.first;
      if (answer.seen !== seen) showPeople(answer.handoffs);
      seen = answer.seen;
    } catch {
      await sleep(pause);
      pause = Math.min(pause * 2, BACK_OFF.most);
    }
  }
}

/** A page that nobody looks at does not wait: a browser holds few connections to one server. */
async function looked() {
  while (document.visibilityState !== "visible") {
    await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
  }
}

function showPeople(handoffs) {
  const before = page.waiting;
  page.waiting = new Set(handoffs.map((handoff) => handoff.id));
  const left = $("people-list").contains(document.activeElement);
  $("people-list").replaceChildren(...handoffs.map(request));
  $("people").hidden = handoffs.length === 0;
  $("people-count").textContent = $("people-count-top").textContent = String(handoffs.length);
  $("people-count-top").hidden = handoffs.length === 0;
  if (left) $("desk").focus({ preventScroll: true });
  if (![...page.waiting].some((id) => !before.has(id))) return;
  $("people-news").textContent = "A customer waits for a person.";
  // Where the desk scrolls by itself, beside the chat.
  if (matchMedia("(min-width: 1060px)").matches) $("people").scrollIntoView({ block: "nearest" });
}

function request(handoff) {
  const names = new Intl.DisplayNames("en", { type: "language", fallback: "code" });
  const place = handoff.channel === "webchat" ? "Web chat" : said(handoff.channel).replace(/^./, (first) => first.toUpperCase());
  const since = `since ${clock.format(new Date(handoff.since))}`;
  const problem = make("p", { class: "problem", role: "alert", hidden: "" });
  const back = make("button", { type: "button", class: "give-back", onclick: () => giveBack(handoff, back, problem) }, "Give back to Doorstep");
  return make("li", { class: "handoff", "data-address": handoff.address },
    make("div", { class: "line" }, make("span", { class: "who", dir: "auto" }, handoff.name || "A guest"), handoff.urgent ? make("span", { class: "status" }, "Urgent") : null),
    make("p", { class: "where" }, [place, handoff.language && named(names, handoff.language), since].filter(Boolean).join(" · ")),
    make("div", { class: "summary", role: "group", tabindex: "0", "aria-label": "What a person needs to know" }, ...handoff.summary.trim().split("\n").filter((line) => line.trim()).map(summaryLine)),
    back, problem);
}

/** `Order: 10234` with its label set apart. */
function summaryLine(line) {
  const [, label, rest] = /^([^:\d]{1,24}:)(\s.*)?$/.exec(line.trim()) ?? [null, "", line.trim()];
  return make("p", { dir: "auto" }, label ? make("b", {}, label) : null, rest ?? "");
}

async function giveBack(handoff, button, problem) {
  button.disabled = true;
  problem.hidden = true;
  try {
    await ask(`/demo/handoffs/${encodeURIComponent(handoff.id)}/close`, {});
    $("people-news").textContent = "The conversation is given back; the assistant answers there again.";
    // The note goes, and with it the button that was pressed.
    $("desk").focus({ preventScroll: true });
  } catch (failed) {
    button.disabled = false;
    problem.hidden = false;
    problem.textContent = failed.message;
  }
}

// ── Inbox ──

async function watchInbox() {
  let last = 0;
  let first = true;
  for (let pause = BACK_OFF.first; ;) {
    try {
      const answer = await ask(`/demo/outbox?after=${last}&wait=${first ? 0 : 20}`);
      pause = BACK_OFF.first;
      last = answer.last ?? last;
      if (answer.emails?.length) {
        receive(answer.emails, first);
        if (!first) refresh();
      }
      first = false;
    } catch {
      await sleep(pause);
      pause = Math.min(pause * 2, BACK_OFF.most);
    }
  }
}

function receive(emails, old) {
  const known = new Set(page.letters.map((letter) => letter.n));
  const news = emails.filter((email) => !known.has(email.n));
  page.letters.push(...news);
  page.letters.sort((a, b) => b.n - a.n);
  if (!old) for (const email of news) page.unseen.add(email.n);
  const newest = page.letters[0];
  // The newest is shown at once, unless the visitor is reading another one.
  if (!page.chosen && newest) openLetter(newest);
  showLetters();
  if (old || !news.length) return;
  $("inbox-news").textContent = $("mail-news").textContent = `New e-mail: ${news.at(-1).subject}`;
  $("mail-news").hidden = page.inboxSeen;
}

function showLetters() {
  $("inbox-empty").hidden = page.letters.length > 0;
  $("letters").replaceChildren(...page.letters.map((letter) => make("li", {},
    make("button", {
      type: "button", class: page.unseen.has(letter.n) ? "unseen" : null, "aria-current": String(page.open === letter.n), "data-n": letter.n,
      onclick: () => {
        page.chosen = letter.n !== page.letters[0].n;
        page.unseen.delete(letter.n);
        openLetter(letter);
        showLetters();
        $("letters").querySelector(`[data-n="${letter.n}"]`).focus();
      },
    },
    make("span", { class: "subject", dir: "auto" }, letter.subject),
    make("time", { datetime: letter.at }, Number.isNaN(Date.parse(letter.at)) ? "" : clock.format(new Date(letter.at))),
    make("span", { class: "to" }, letter.to)))));
  for (const badge of [$("inbox-count"), $("inbox-count-top")]) {
    badge.hidden = page.unseen.size === 0;
    badge.textContent = String(page.unseen.size);
  }
}

function openLetter(letter) {
  page.open = letter.n;
  $("letter").hidden = false;
  $("letter-subject").textContent = letter.subject;
  $("letter-subject").dir = "auto";
  $("letter-to").textContent = `To ${letter.to}`;
  $("letter-text").textContent = letter.text;
  $("letter-page").title = `E-mail: ${letter.subject}`;
  // Replaced, not navigated: otherwise "back" would walk through the letters.
  const fresh = $("letter-page").cloneNode();
  fresh.src = letter.html_url || "about:blank";
  fresh.hidden = !letter.html_url;
  $("letter-page").replaceWith(fresh);
  document.querySelector(".letter details").open = !letter.html_url;
}

// While the inbox is in view its news is seen; elsewhere a bar tells of it.
new IntersectionObserver(([entry]) => {
  page.inboxSeen = entry.isIntersecting;
  if (!entry.isIntersecting) return;
  $("mail-news").hidden = true;
  setTimeout(() => {
    page.unseen.clear();
    showLetters();
  }, 2500);
}, { rootMargin: "0px 0px -60px" }).observe($("letters"));

$("mail-news").addEventListener("click", () => {
  $("inbox-title").scrollIntoView();
  $("letters").querySelector("button").focus({ preventScroll: true });
});

// ── Beginning ──

/** Order states change while the news is worked on: look again, keep the choice. */
async function refresh() {
  try {
    const number = $("order").value;
    page.state.orders = (await ask("/demo/state")).orders ?? page.state.orders;
    showOrders(number);
  } catch {
    // The next event refreshes it again.
  }
}

async function begin() {
  try {
    Object.assign(page.state, await ask("/demo/state"));
  } catch (problem) {
    $("shop-problem").hidden = false;
    $("shop-problem").textContent = `The shop could not be loaded: ${problem.message} Reload the page to try again.`;
    return;
  }
  const { shop } = page.state;
  if (shop?.name) $("shop-name").textContent = shop.name;
  if (shop?.tagline) $("tagline").textContent = shop.tagline;
  showFilter();
  showShelf();
  showCustomers();
  showOrders();
  showShelfOfSizes();
  watchInbox();
  watchPeople();
}

$("customer").addEventListener("change", () => changeCustomer());
$("order").addEventListener("change", showParcel);
$("actions").addEventListener("click", (event) => event.target.dataset.action && sendNews(event.target));
$("stock-product").addEventListener("change", () => {
  $("stock-said").textContent = "";
  showSizes();
});
$("more").addEventListener("click", () => {
  page.all = true;
  showShelf();
  $("products").children[FIRST_SHELF]?.querySelector("button").focus();
});
for (const chip of document.querySelectorAll("[data-say]")) chip.addEventListener("click", () => say(chip.dataset.say));
begin();
