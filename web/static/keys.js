// Keys at the desk, by their place on the keyboard so that every layout works: lists are walked, an alarm is opened and
// taken, the search is reached. Never while somebody types, and one switch in Help turns them off for this browser.
"use strict";
(() => {
  const READER_MS = 60; // a card reader types faster: its A takes no alarm
  const off = () => { try { return localStorage.getItem("keys") === "off"; } catch (_) { return false; } };
  let waits = 0;

  const items = () => [...document.querySelectorAll("main #worst[data-open], main .rows > li")]
    .map((item) => item.dataset.open ? item : item.querySelector("a[href], button"))
    .filter((item) => item && item.getClientRects().length);
  const chosen = () => items().findIndex((item) => item.contains(document.activeElement));

  function move(step) {
    const all = items(), at = chosen();
    const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)];
    if (!next) return;
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  }
  function soon(act) { waits = setTimeout(act, READER_MS); }

  addEventListener("keydown", (event) => {
    clearTimeout(waits);
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented || event.repeat && event.code === "KeyA" || off()) return;
    if (event.target.closest("input, textarea, select, video, dialog, [contenteditable]")) return;
    const here = items()[chosen()], board = document.getElementById("worst");
    const acts = {
      KeyJ: () => move(1), KeyK: () => move(-1),
      ArrowDown: here || board ? () => move(1) : null, ArrowUp: here || board ? () => move(-1) : null,
      Enter: here && here.dataset.open && event.target === here ? () => location.assign(here.dataset.open) : null,
      KeyA: board && here ? () => soon(() => { const press = here.querySelector(".press button, a.press"); if (press) press.click(); }) : null,
      KeyM: () => soon(() => { const hush = document.getElementById("sound-hush"); if (hush && !hush.hidden) hush.click(); }),
      Slash: () => {
        const search = document.querySelector("main input[type=search]"), help = document.querySelector("nav a[data-help]");
        if (event.shiftKey && help) location.assign(`${help.href}#keys`); else if (search && !event.shiftKey) search.focus();
      },
    };
    if (!acts[event.code] || event.shiftKey && event.code !== "Slash") return;
    event.preventDefault();
    acts[event.code]();
  });

  const knob = document.getElementById("keys-on");
  if (knob) {
    knob.checked = !off();
    knob.disabled = false;
    knob.addEventListener("change", () => { try { localStorage.setItem("keys", knob.checked ? "on" : "off"); } catch (_) { knob.checked = true; } });
  }
})();
