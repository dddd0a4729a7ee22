// The tracking page is complete without this. With it, news shows by itself and the chat opens with the order named.
(() => {
  "use strict";
  const EVERY = 30_000;

  /** Takes over what changed since the page was loaded; what the reader opened stays. */
  async function refresh() {
    if (document.visibilityState !== "visible") return;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("news");
      const shown = document.getElementById("news");
      if (fresh && fresh.textContent !== shown.textContent) shown.replaceChildren(...fresh.childNodes);
    } catch {
      // Without a connection the page stays as it is; the next turn tries again.
    }
  }
  document.getElementById("news").setAttribute("aria-live", "polite");
  setInterval(refresh, EVERY);
  document.addEventListener("visibilitychange", refresh);

  const ask = document.getElementById("ask");
  if (!ask) return;
  ask.addEventListener("click", () => {
    window.Doorstep.open();
    const question = ask.dataset.question;
    if (question) window.Doorstep.send(question);
    // Once is enough: the chat knows the order now.
    ask.dataset.question = "";
  });
  const offer = () => { ask.hidden = false; };
  if (window.Doorstep) offer();
  else document.addEventListener("doorstep:ready", offer);
})();
