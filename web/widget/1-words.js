// ───────────────────────────── Words ─────────────────────────────

const STRINGS = {
  en: {
    open: "Open chat", close: "Close chat", title: "Chat with {shop}", shop: "our shop",
    intro: "Hello! How can we help?", hint: "Ask about a product, an order or a return.",
    placeholder: "Write a message", send: "Send", you: "You", team: "Our team", update: "Update",
    sending: "Sending…", sent: "Sent", read: "Read", failed: "Not sent", retry: "Try again",
    typing: "Writing…", lost: "Connection lost. Trying again…", unread: "New messages: {n}",
    latest: "Go to the latest message", products: "Products", view: "View", dismiss: "Dismiss",
    suggestions: "Suggestions", suggested: "Suggestions: {n}",
  },
  es: {
    open: "Abrir chat", close: "Cerrar chat", title: "Chat con {shop}", shop: "nuestra tienda",
    intro: "¡Hola! ¿En qué podemos ayudarte?", hint: "Pregunta por un producto, un pedido o una devolución.",
    placeholder: "Escribe un mensaje", send: "Enviar", you: "Tú", team: "Nuestro equipo", update: "Novedad",
    sending: "Enviando…", sent: "Enviado", read: "Leído", failed: "No enviado", retry: "Reintentar",
    typing: "Escribiendo…", lost: "Sin conexión. Reintentando…", unread: "Mensajes nuevos: {n}",
    latest: "Ir al último mensaje", products: "Productos", view: "Ver", dismiss: "Descartar",
    suggestions: "Sugerencias", suggested: "Sugerencias: {n}",
  },
  pt: {
    open: "Abrir chat", close: "Fechar chat", title: "Chat com {shop}", shop: "nossa loja",
    intro: "Olá! Como podemos ajudar?", hint: "Pergunte sobre um produto, um pedido ou uma devolução.",
    placeholder: "Escreva uma mensagem", send: "Enviar", you: "Você", team: "Nossa equipe", update: "Novidade",
    sending: "Enviando…", sent: "Enviada", read: "Lida", failed: "Não enviada", retry: "Tentar de novo",
    typing: "Escrevendo…", lost: "Sem conexão. Tentando de novo…", unread: "Mensagens novas: {n}",
    latest: "Ir para a última mensagem", products: "Produtos", view: "Ver", dismiss: "Dispensar",
    suggestions: "Sugestões", suggested: "Sugestões: {n}",
  },
  fr: {
    open: "Ouvrir le chat", close: "Fermer le chat", title: "Discuter avec {shop}", shop: "notre boutique",
    intro: "Bonjour ! Comment pouvons-nous vous aider ?",
    hint: "Posez une question sur un produit, une commande ou un retour.",
    placeholder: "Écrivez un message", send: "Envoyer", you: "Vous", team: "Notre équipe", update: "Nouvelle",
    sending: "Envoi…", sent: "Envoyé", read: "Lu", failed: "Non envoyé", retry: "Réessayer",
    typing: "En train d’écrire…", lost: "Connexion perdue. Nouvel essai…", unread: "Nouveaux messages : {n}",
    latest: "Aller au dernier message", products: "Produits", view: "Voir", dismiss: "Ignorer",
    suggestions: "Suggestions", suggested: "Suggestions : {n}",
  },
  de: {
    open: "Chat öffnen", close: "Chat schließen", title: "Chat mit {shop}", shop: "unserem Shop",
    intro: "Hallo! Wie können wir helfen?", hint: "Fragen Sie nach einem Produkt, einer Bestellung oder einer Rücksendung.",
    placeholder: "Nachricht schreiben", send: "Senden", you: "Sie", team: "Unser Team", update: "Neuigkeit",
    sending: "Wird gesendet…", sent: "Gesendet", read: "Gelesen", failed: "Nicht gesendet", retry: "Noch einmal",
    typing: "Schreibt…", lost: "Verbindung verloren. Neuer Versuch…", unread: "Neue Nachrichten: {n}",
    latest: "Zur neuesten Nachricht", products: "Produkte", view: "Ansehen", dismiss: "Ausblenden",
    suggestions: "Vorschläge", suggested: "Vorschläge: {n}",
  },
  it: {
    open: "Apri la chat", close: "Chiudi la chat", title: "Chat con {shop}", shop: "il nostro negozio",
    intro: "Ciao! Come possiamo aiutarti?", hint: "Chiedi di un prodotto, di un ordine o di un reso.",
    placeholder: "Scrivi un messaggio", send: "Invia", you: "Tu", team: "Il nostro team", update: "Novità",
    sending: "Invio…", sent: "Inviato", read: "Letto", failed: "Non inviato", retry: "Riprova",
    typing: "Sta scrivendo…", lost: "Connessione persa. Nuovo tentativo…", unread: "Nuovi messaggi: {n}",
    latest: "Vai all’ultimo messaggio", products: "Prodotti", view: "Vedi", dismiss: "Ignora",
    suggestions: "Suggerimenti", suggested: "Suggerimenti: {n}",
  },
  ru: {
    open: "Открыть чат", close: "Закрыть чат", title: "Чат: {shop}", shop: "наш магазин",
    intro: "Здравствуйте! Чем можем помочь?", hint: "Спросите о товаре, заказе или возврате.",
    placeholder: "Напишите сообщение", send: "Отправить", you: "Вы", team: "Наша команда", update: "Новость",
    sending: "Отправляется…", sent: "Отправлено", read: "Прочитано", failed: "Не отправлено", retry: "Повторить",
    typing: "Печатает…", lost: "Нет связи. Пробуем снова…", unread: "Новых сообщений: {n}",
    latest: "К последнему сообщению", products: "Товары", view: "Смотреть", dismiss: "Скрыть",
    suggestions: "Подсказки", suggested: "Подсказки: {n}",
  },
  ar: {
    open: "فتح المحادثة", close: "إغلاق المحادثة", title: "محادثة مع {shop}", shop: "متجرنا",
    intro: "مرحبًا! كيف يمكننا مساعدتك؟", hint: "اسأل عن منتج أو طلب أو إرجاع.",
    placeholder: "اكتب رسالة", send: "إرسال", you: "أنت", team: "فريقنا", update: "جديد",
    sending: "جارٍ الإرسال…", sent: "أُرسلت", read: "قُرئت", failed: "لم تُرسل", retry: "أعد المحاولة",
    typing: "يكتب…", lost: "انقطع الاتصال. نحاول من جديد…", unread: "رسائل جديدة: {n}",
    latest: "الانتقال إلى آخر رسالة", products: "المنتجات", view: "عرض", dismiss: "إخفاء",
    suggestions: "اقتراحات", suggested: "اقتراحات: {n}",
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
