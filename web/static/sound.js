// The alarm board's sound. Browsers allow it only after a press, so the shift begins with "Turn sound on" and a test tone.
// The rhythm tells the class, as guards know it from their panels; the worst class that nobody has taken wins.
// Nothing here silences a panel: "Silence 3 min" is for this browser alone, and a new alarm sounds again.
"use strict";
(() => {
  const place = document.getElementById("sound"), calls = document.getElementById("calls");
  if (!place || !calls || !window.AudioContext) return;
  const says = document.getElementById("sound-says"), on = document.getElementById("sound-on");
  const hush = document.getElementById("sound-hush"), volume = document.getElementById("sound-volume");
  const HUSH_MS = 180000, TONE_HZ = 880, LOW_HZ = 660;
  // Seconds of tone and pause in turn, over and over. Fault: a beep every 2.5 s for half a minute, then every 30 s.
  const RHYTHMS = { fire: [1.5, 0.3], intrusion: [0.5, 0.5], attention: [0.2, 0.2, 0.8, 0.4], fault: [0.15, 2.35] };
  const FAULT_BEEPS = 12, FAULT_PAUSE_S = 29.85, LOST = "lost";
  let audio = null, loud = null, playing = "", beeps = 0, known = new Set(), hushedUntil = 0, stopOne = null;

  const kept = sessionStorage.getItem("sound") === "on";
  volume.value = Math.max(Number(localStorage.getItem("volume") || 0.7), least());
  volume.min = Math.max(0.05, least());
  place.hidden = false;

  function least() { return Number(place.dataset.least || 0); }
  function running() { return audio !== null && audio.state === "running"; }

  async function begin() {
    if (audio === null) {
      audio = new AudioContext();
      loud = audio.createGain();
      loud.connect(audio.destination);
      audio.onstatechange = look;
    }
    loud.gain.value = Number(volume.value);
    if (audio.state === "suspended") await audio.resume();
    look();
  }

  // One tone through one oscillator; what follows is begun by its end, as a hidden page's timers are slowed down.
  function tone(on_s, off_s, hz, then) {
    const wave = audio.createOscillator(), shape = audio.createGain(), at = audio.currentTime;
    wave.frequency.value = hz;
    shape.gain.setValueAtTime(0, at);
    shape.gain.linearRampToValueAtTime(1, at + 0.01);
    shape.gain.setValueAtTime(1, at + on_s - 0.01);
    shape.gain.linearRampToValueAtTime(0, at + on_s);
    wave.connect(shape).connect(loud);
    wave.onended = () => { shape.disconnect(); if (stopOne === stop) { stopOne = null; then(); } };
    const stop = () => { wave.onended = null; wave.stop(); shape.disconnect(); };
    stopOne = stop;
    wave.start(at);
    wave.stop(at + on_s + off_s);
  }

  function step(rhythm, part) {
    if (rhythm !== playing) return;
    const parts = RHYTHMS[rhythm === LOST ? "fault" : rhythm];
    let off = parts[part + 1];
    if (parts === RHYTHMS.fault && (beeps += 1) > FAULT_BEEPS) off = FAULT_PAUSE_S;
    tone(parts[part], off, part === 2 ? LOW_HZ : TONE_HZ, () => step(rhythm, (part + 2) % parts.length));
  }

  // What should sound now: nothing, the worst class, or the lost connection.
  function wanted() {
    if (Date.now() < hushedUntil) return "";
    if (calls.dataset.sound) return calls.dataset.sound;
    return document.documentElement.classList.contains("stale") ? LOST : "";
  }

  function look() {
    const now = new Set((calls.dataset.calls || "").split(" ").filter(Boolean));
    if ([...now].some((call) => !known.has(call))) { hushedUntil = 0; beeps = 0; } // a new one sounds again
    known = now;
    const next = running() ? wanted() : "";
    if (next !== playing) {
      if (stopOne) { stopOne(); stopOne = null; }
      playing = next;
      beeps = 0;
      if (playing) step(playing, 0);
    }
    tell();
  }

  function tell() {
    const hushed = Date.now() < hushedUntil;
    const word = !running() ? place.dataset.saysOff
      : hushed ? place.dataset.saysHushed.replace("{time}", clockIn(hushedUntil - Date.now())) : place.dataset.saysOn;
    if (says.textContent !== word) says.textContent = word;
    place.classList.toggle("off", !running());
    place.dataset.playing = playing;
    on.hidden = running();
    hush.hidden = !running() || hushed || !calls.dataset.sound;
    for (const drawing of place.querySelectorAll("[data-sound-icon]")) drawing.hidden = (drawing.dataset.soundIcon === "on") !== (running() && !hushed);
  }

  // The box's clock stands in the top line; this browser's own may be wrong.
  function clockIn(ms) {
    const [h, m, s] = document.getElementById("clock").textContent.split(":").map(Number);
    const total = (h * 3600 + m * 60 + s + Math.ceil(ms / 1000)) % 86400;
    return [total / 3600, total / 60 % 60].map((part) => String(Math.floor(part)).padStart(2, "0")).join(":");
  }

  on.addEventListener("click", async () => {
    sessionStorage.setItem("sound", "on");
    await begin();
    if (running() && !playing) tone(0.4, 0, TONE_HZ, () => {}); // the test tone
  });
  hush.addEventListener("click", () => { hushedUntil = Date.now() + HUSH_MS; look(); });
  volume.addEventListener("input", () => {
    localStorage.setItem("volume", volume.value);
    if (loud) loud.gain.value = Math.max(Number(volume.value), least());
  });
  // The morph changes the attributes of #calls; the lost connection changes the class of the page.
  new MutationObserver(look).observe(calls, { attributes: true });
  new MutationObserver(look).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
  setInterval(look, 1000);
  // Turned on earlier in this shift: a browser that saw a press on this site lets it go on at once; else the next press does.
  if (kept) {
    begin();
    addEventListener("pointerdown", () => { if (!running()) begin(); }, { passive: true });
    addEventListener("keydown", () => { if (!running()) begin(); });
  }
  look();
})();
