// One camera live: fragments of the recording, appended to a <video> as they come (Media Source Extensions).
// The stream's media time is the box's monotonic clock since an origin, so how far behind we are is subtraction:
// box clock now, minus origin, minus what is shown. Nothing is guessed; when nothing comes, the figure grows by itself.
"use strict";
(() => {
  const view = document.getElementById("live-view"), say = view.dataset, why = document.getElementById("live-why");
  const video = view.querySelector("video"), still = view.querySelector("img");
  const none = view.querySelector(".no-picture"), stamp = view.querySelector(".stamp");
  const soundButton = document.getElementById("live-sound"), wholeButton = document.getElementById("live-whole");
  const FAST_S = 1.6, SEEK_S = 3, STANDS_S = 5, KEPT_S = 8; // faster when more behind; jump; not live any more; kept behind
  const ASK_MS = 1000, CLOCK_MS = 5000, STILL_MS = 2000, PACE_MS = 250, MUTE_MS = 5000;
  let session = 0, sound = false, small = false, originS = null, buffer = null, media = null, type = "";
  let aged = "", agedOld = true;
  let clock = null, playing = false, moved = [0, 0], stop = new AbortController(), asked = 0;
  const now = () => performance.now() / 1000;
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));

  // --- the box's word: how it stands, and its clock. The answer that took least time tells the clock best.
  async function ask() {
    const before = now();
    try {
      const answer = await fetch(say.state + (small ? "?stream=second" : ""), { cache: "no-store", signal: AbortSignal.timeout(8000) });
      if (answer.status === 401) { location.reload(); return null; }
      if (!answer.ok) return null;
      const told = await answer.json(), tripS = now() - before;
      if (clock === null || tripS <= clock.tripS || now() - clock.at > 60) clock = { tripS, at: now(), offsetS: told.now_s - before - tripS / 2 };
      asked = now();
      [aged, agedOld] = [told.still, told.still_old];
      age();
      return told;
    } catch (_) { [aged, agedOld] = ["", true]; age(); return null; }
  }
  const behindS = () => clock === null || originS === null ? null : now() + clock.offsetS - originS - video.currentTime;

  // --- what is shown, and what is said about it
  function show(live) {
    if (live === playing && (live ? still : video).hidden) return;
    playing = live;
    video.hidden = !live;
    still.hidden = live || !still.complete || !still.naturalWidth;
    none.hidden = live || !still.hidden;
    wholeButton.disabled = !live;
    stamp.hidden = !live && still.hidden;
    view.classList.remove("old");
    age();
  }
  function age() { // how old the still picture is; without the box's word it counts as old
    if (playing) return;
    stamp.textContent = agedOld ? aged || say.sayStill : `${say.sayStill}, ${aged}`;
    view.classList.toggle("old", agedOld && !still.hidden);
  }
  function tell(text) { if (why.textContent !== text) why.textContent = text; why.hidden = !text; }
  function freshStill() { if (!playing) still.src = `${say.picture}?at=${Date.now()}`; }
  still.addEventListener("load", () => { if (!playing) { still.hidden = false; none.hidden = true; stamp.hidden = false; age(); } });
  still.addEventListener("error", () => { if (!playing) { still.hidden = true; none.hidden = false; stamp.hidden = true; } });

  // --- one viewing after another, until the page is hidden or left
  async function watch() {
    const mine = ++session;
    while (mine === session) {
      const told = await ask();
      if (mine !== session) return;
      if (told === null) { tell(say.sayLost); show(false); await pause(ASK_MS); continue; }
      soundButton.disabled = !told.audio;
      if (!told.video) { tell(told.say); show(false); await pause(ASK_MS); continue; }
      if (!("MediaSource" in window) || !MediaSource.isTypeSupported(`video/mp4; codecs="${told.video}"`)) {
        if (told.second && !small) { small = true; continue; }
        tell(say.sayCodec.replace("{codec}", told.video.startsWith("h") ? "H.265" : told.video));
        show(false);
        await pause(CLOCK_MS);
        continue;
      }
      await play(mine);
      if (mine === session) await pause(300);
    }
  }

  async function play(mine) {
    stop = new AbortController();
    const query = new URLSearchParams({ ...(sound && { sound: 1 }), ...(small && { stream: "second" }), ...(media && { origin_s: originS }) });
    try {
      const answer = await fetch(`${say.stream}?${query}`, { cache: "no-store", signal: stop.signal });
      if (mine !== session) return;
      if (!answer.ok) { if (answer.headers.get("X-Live-Full")) { tell(say.sayFull); show(false); await pause(CLOCK_MS); } return; }
      const comes = answer.headers.get("X-Live-Type");
      if (media === null || comes !== type || media.readyState !== "open") await begin(comes, Number(answer.headers.get("X-Live-Origin")));
      tell(small ? say.saySmall : "");
      const reader = answer.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done || mine !== session) break;
        await append(value);
      }
    } catch (fault) {
      if (fault.name !== "AbortError") end(); // what could not be appended is not tried again: the next viewing begins anew
    }
  }

  async function begin(comes, origin) {
    end();
    media = new MediaSource();
    type = comes;
    originS = origin;
    video.src = URL.createObjectURL(media);
    await new Promise((open) => media.addEventListener("sourceopen", open, { once: true }));
    URL.revokeObjectURL(video.src);
    buffer = media.addSourceBuffer(type);
    video.muted = !sound;
  }

  function end() {
    media = buffer = null;
    video.removeAttribute("src");
    video.load();
  }

  async function append(data) {
    const idle = () => new Promise((done) => buffer.addEventListener("updateend", done, { once: true }));
    const old = video.currentTime - KEPT_S;
    if (video.buffered.length && video.buffered.start(0) < old - KEPT_S) { buffer.remove(0, old); await idle(); }
    buffer.appendBuffer(data);
    await idle();
    if (!video.buffered.length) return;
    const last = video.buffered.length - 1, from = video.buffered.start(last), to = video.buffered.end(last);
    if (video.currentTime < video.buffered.start(0)) video.currentTime = Math.max(from, to - 1); // the first, or after a long silence
    if (video.paused) await video.play().catch((fault) => { if (fault.name === "NotAllowedError") { video.muted = true; turn(false); } });
    show(true);
  }

  // --- at the edge: a little faster when too far behind, a jump when far, never past what is there
  function pace() {
    if (!buffer || !video.buffered.length) return;
    const ranges = video.buffered, last = ranges.length - 1, at = video.currentTime;
    const aheadS = ranges.end(last) - at, lateS = behindS();
    if (at !== moved[0]) moved = [at, now()];
    if (aheadS > SEEK_S - 1 || (at < ranges.start(last) && now() - moved[1] > 0.5)) video.currentTime = Math.max(ranges.start(last), ranges.end(last) - 1);
    video.playbackRate = lateS > FAST_S && aheadS > 0.4 ? 1.15 : aheadS < 0.12 ? 0.95 : 1;
    if (sound && aheadS <= 0.05 && now() - moved[1] > MUTE_MS / 1000) { tell(say.sayMute); turn(false); }
    if (lateS === null || !playing) return;
    const stands = lateS > STANDS_S, text = lateS.toLocaleString(document.documentElement.lang, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
    view.classList.toggle("old", stands);
    stamp.textContent = (stands ? say.sayStands : say.sayLive).replace("{lag}", text);
    view.dataset.behind = lateS.toFixed(3);
  }

  function turn(on) {
    sound = on;
    soundButton.setAttribute("aria-pressed", String(on));
    restart();
  }
  function restart() { session += 1; stop.abort(); end(); if (!document.hidden) watch(); }

  soundButton.addEventListener("click", () => turn(!sound));
  wholeButton.addEventListener("click", () => { video.requestFullscreen().catch(() => tell("")); });
  video.addEventListener("error", () => { if (media !== null) restart(); });
  document.addEventListener("visibilitychange", restart); // a hidden page gives its place back
  addEventListener("pagehide", () => { session += 1; stop.abort(); });
  addEventListener("pageshow", (event) => { if (event.persisted) restart(); });
  setInterval(pace, PACE_MS);
  setInterval(freshStill, STILL_MS);
  setInterval(() => { if (!document.hidden && now() - asked > CLOCK_MS / 1000) ask(); }, ASK_MS);
  freshStill();
  watch();
})();
