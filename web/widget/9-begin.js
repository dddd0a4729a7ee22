// ───────────────────────────── Begin ──────────────────────────────

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

// A page may load the script twice.
if (!customElements.get("doorstep-chat")) {
  customElements.define("doorstep-chat", DoorstepChat);
  if (document.body) begin();
  else document.addEventListener("DOMContentLoaded", begin);
}
