// Keeps the page true: one event stream says what changed, the page fetches its live regions again and morphs them.
// When the box is not heard for two beats and a second, the page says so, turns its values stale and its buttons off.
"use strict";
(() => {
  const body = document.body;
  const LOST_AFTER_MS = 5000, HOLD_MS = 1500, POLL_MS = 2000, RETRY_MS = 30000;
  const topics = new Set((body.dataset.topics || "").split(" ").filter(Boolean).concat("alarms")); // the strip is on every page
  const every = Number(body.dataset.every || 10) * 1000;
  const isBoard = Boolean(document.getElementById("worst"));
  const clock = document.getElementById("clock"), lost = document.getElementById("lost");
  const now = () => performance.now();
  let heard = now(), fetched = now(), touched = -HOLD_MS, stream = null, retryAt = 0;
  let busy = false, again = false, lostSince = null, lastClock = clock ? clock.textContent : "", backUntil = 0;

  // --- the box's own clock, never the phone's
  let clockBase = seconds(lastClock), clockAt = now();
  function seconds(text) { const [h, m, s] = text.split(":").map(Number); return h * 3600 + m * 60 + s; }
  function two(n) { return String(n).padStart(2, "0"); }
  function shown(total) { total %= 86400; return `${two(Math.floor(total / 3600))}:${two(Math.floor(total / 60) % 60)}:${two(total % 60)}`; }
  function setClock(text) { if (text) { lastClock = text; clockBase = seconds(text); clockAt = now(); } }
  function span(ms) { const s = Math.floor(ms / 1000); return `${Math.floor(s / 60)}:${two(s % 60)}`; }

  // --- fetching and morphing
  async function refresh() {
    if (document.querySelector("[data-still]")) { fetched = now(); return; } // a page about a failure has nothing to renew
    if (busy) { again = true; return; }
    busy = true;
    try {
      const url = new URL(location.href);
      const query = document.querySelector("[data-query]");
      if (query) new URLSearchParams(query.dataset.query).forEach((value, key) => url.searchParams.set(key, value));
      url.searchParams.set("fragment", "1");
      url.hash = "";
      const answer = await fetch(url, { cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(8000) });
      if (answer.status === 401 || answer.type === "opaqueredirect") { location.reload(); return; }
      if (!answer.ok) return; // the box answers, but not this page: its values go stale by themselves
      swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
      fetched = heard = now();
    } catch (_) { /* no answer: `look` says so once it has lasted long enough */
    } finally {
      busy = false;
      if (again) { again = false; setTimeout(refresh, 300); }
    }
  }

  function swap(fresh) {
    if (fresh.title) document.title = fresh.title;
    for (const part of fresh.querySelectorAll("[data-region]")) {
      const old = document.getElementById(part.id);
      if (!old) continue;
      // Nothing moves under a finger; the worst alarm and the strip have fixed places and may change at once.
      if (part.hasAttribute("data-hold") && now() - touched < HOLD_MS) { setTimeout(refresh, HOLD_MS); continue; }
      const before = old.dataset.say || "";
      Idiomorph.morph(old, part, { morphStyle: "outerHTML", ignoreActiveValue: true, callbacks: { beforeNodeMorphed, beforeAttributeUpdated } });
      if (part.dataset.say && part.dataset.say !== before) say("alarm-said", part.dataset.say);
      if (part.id === "worst" && part.dataset.first && part.dataset.first !== first) flash(part.dataset.first);
    }
  }
  // A new worst alarm pulses anew: at most once a second, for five seconds (site.css).
  let first = (document.getElementById("worst") || { dataset: {} }).dataset.first || "";
  function flash(id) {
    const worst = document.getElementById("worst");
    first = id;
    worst.classList.add("no-pulse");
    void worst.offsetWidth; // the browser has to see it without, or it would not begin again
    worst.classList.remove("no-pulse");
  }
  function beforeNodeMorphed(old) { return !(old instanceof Element && (old.hasAttribute("data-keep") || old.dataset.pressed)); }
  function beforeAttributeUpdated(name, element) { return !(name === "open" && element.tagName === "DETAILS"); }
  function say(id, text) { const place = document.getElementById(id); if (place) place.textContent = text; }

  // --- the stream
  function listen() {
    if (stream || (document.hidden && !isBoard)) return; // hidden pages give their place back; the board never goes deaf
    stream = new EventSource(body.dataset.live);
    let fresh = true;
    const beat = (event) => {
      heard = now();
      const said = JSON.parse(event.data);
      setClock(said.clock);
      if (fresh) { fresh = false; refresh(); }
      return said;
    };
    stream.addEventListener("beat", beat);
    stream.addEventListener("change", (event) => { if (beat(event).topics.some((topic) => topics.has(topic))) refresh(); });
    stream.onerror = () => {
      fresh = true;
      if (stream && stream.readyState === EventSource.CLOSED) { stream = null; retryAt = now() + RETRY_MS; refresh(); }
    };
  }
  function hush() { if (stream) { stream.close(); stream = null; } }

  // --- twice a second: is the box still there?
  function look() {
    const at = now();
    if (!stream && !document.hidden && at >= retryAt) listen();
    const pace = stream && stream.readyState === EventSource.OPEN ? every : POLL_MS;
    if (!document.hidden && at - fetched > pace && !busy) { fetched = at; refresh(); }
    const silent = at - heard > LOST_AFTER_MS;
    if (silent && lostSince === null && !document.hidden) goneDark();
    if (!silent && lostSince !== null) cameBack(at - lostSince);
    if (lostSince !== null) lost.textContent = body.dataset.sayLost.replace("{span}", span(at - lostSince)).replace("{time}", lastClock);
    else if (backUntil && at > backUntil) { backUntil = 0; lost.hidden = true; }
    if (clock && lostSince === null) clock.textContent = shown(clockBase + Math.floor((at - clockAt) / 1000));
  }
  function goneDark() {
    lostSince = heard;
    lastClock = clock ? clock.textContent : lastClock;
    document.documentElement.classList.add("stale");
    lost.classList.remove("back");
    lost.hidden = false;
    for (const button of document.querySelectorAll("main form[method=post] button, nav form button")) {
      if (button.disabled) continue;
      button.disabled = true;
      button.dataset.off = "1";
      button.title = body.dataset.sayOff;
    }
  }
  function cameBack(missed) {
    lostSince = null;
    document.documentElement.classList.remove("stale");
    for (const button of document.querySelectorAll("button[data-off]")) {
      button.disabled = false;
      button.removeAttribute("title");
      delete button.dataset.off;
    }
    lost.classList.add("back");
    lost.textContent = body.dataset.sayBack.replace("{span}", span(missed));
    backUntil = now() + 10000;
    refresh();
  }

  for (const kind of ["pointerdown", "pointerup", "pointermove"]) {
    addEventListener(kind, (event) => { if (kind !== "pointermove" || event.buttons) touched = now(); }, { passive: true });
  }
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { if (!isBoard) hush(); } else { heard = now(); listen(); refresh(); }
  });
  addEventListener("pagehide", hush);
  addEventListener("pageshow", (event) => { if (event.persisted) { heard = now(); listen(); refresh(); } });
  listen();
  setInterval(look, 500);
})();
