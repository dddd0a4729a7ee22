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
.suggestions {
  position: absolute; z-index: 1; inset-block-end: calc(100% + 6px); inset-inline: 12px; max-block-size: min(50dvh, 320px); overflow-y: auto; overscroll-behavior: contain;
  padding: 6px; background: var(--surface); border: 1px solid var(--line); border-radius: calc(var(--radius) - 4px); box-shadow: 0 -4px 20px rgb(15 30 22 / .14); scrollbar-width: thin;
}
.suggestion { padding: 9px 12px; border-radius: 10px; cursor: pointer; overflow-wrap: anywhere; }
.suggestion:hover { background: var(--bubble); }
.suggestion[aria-selected="true"] { background: var(--accent); color: var(--on-accent); }
[dir="rtl"] .send svg { transform: scaleX(-1); }

@media (max-width: 480px) {
  .panel { inset: 0; inline-size: 100vw; max-inline-size: none; block-size: var(--seen-height, 100dvh); inset-block-start: var(--seen-top, 0); inset-block-end: auto; border: 0; border-radius: 0; }
  .head { padding-block-start: max(12px, env(safe-area-inset-top)); }
  .launcher[aria-expanded="true"] { visibility: hidden; }
}
@media (pointer: coarse) { .log:focus-visible { outline: none; } .suggestion { padding-block: 12px; } }
@media (forced-colors: active) { .suggestion[aria-selected="true"] { outline: 2px solid Highlight; outline-offset: -2px; } .launcher, .send, .bubble, .panel, .deed { border: 1px solid; } }
@media (prefers-reduced-motion: reduce) { *, ::before, ::after { animation-duration: .01ms !important; animation-iteration-count: 1 !important; transition: none !important; } }
@keyframes pop { from { transform: scale(.3); } }
@keyframes rise { from { opacity: 0; transform: translateY(10px); } }
@keyframes breathe { 0%, 60%, 100% { opacity: .35; } 30% { opacity: 1; transform: translateY(-2px); } }`;
