"use strict";
// Plays one camera's files one after another and keeps wall time. Everything shown in words is in the page already, twice:
// the language switch only sets <html lang>. Nothing is fetched; each file is opened by the <video> element beside this page.
(() => {
  const data = JSON.parse(document.getElementById("recordings").textContent);
  const all = (selector) => Array.from(document.querySelectorAll(selector));
  const one = (selector) => document.querySelector(selector);
  const video = one("video"), status = one(".status"), player = one(".player");
  const wallClock = new Intl.DateTimeFormat("ru-RU", { timeZone: data.zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });
  let camera = 0, index = -1, failures = 0, startAt = 0, goOn = false;

  const segments = () => data.cameras[camera].segments; // [file, from ms, to ms, codec]
  const origin = () => (video.seekable.length ? video.seekable.start(0) : 0);
  const wall = () => (index < 0 ? startAt : Math.min(segments()[index][1] + (video.currentTime - origin()) * 1000, segments()[index][2]));

  function say(element) {
    status.replaceChildren(...(element ? Array.from(element.cloneNode(true).childNodes) : []));
  }

  function gapAt(ms) {
    return all(".gaps button").find((b) => Number(b.dataset.camera) === camera && ms >= Number(b.dataset.at) - 1 && ms < Number(b.dataset.to));
  }

  // Go to an instant: into the file that holds it, or past the gap it lies in, saying so.
  function show(ms, play) {
    const found = segments().findIndex((s) => s[2] > ms + 1);
    const gap = gapAt(ms);
    say(gap ? gap.querySelector(".words") : null);
    goOn = play;
    if (found < 0) {
      video.pause();
      if (!gap) say(document.getElementById("no-recording"));
      return;
    }
    startAt = Math.max(ms, segments()[found][1]);
    if (found === index && video.readyState > 0) {
      seek();
    } else {
      index = found;
      const file = one(".file");
      video.src = file.href = segments()[index][0];
      file.textContent = segments()[index][0].split("/").pop();
      file.hidden = false;
      video.load();
    }
    mark();
  }

  function seek() {
    const wanted = origin() + (startAt - segments()[index][1]) / 1000;
    if (Math.abs(video.currentTime - wanted) > 0.05) video.currentTime = wanted;
    video.playbackRate = Number(one("#speed").value);
    if (goOn) video.play().catch(stopped);
  }

  function stopped(reason) {
    if (reason.name !== "AbortError") document.body.classList.remove("moving"); // AbortError: another file was chosen meanwhile
  }

  function mark() {
    const now = wall(), length = data.ends - data.starts;
    one(".wall").textContent = wallClock.format(now);
    all(".bar").forEach((bar) => {
      const cursor = bar.querySelector(".cursor");
      cursor.hidden = now < data.starts || now > data.ends;
      cursor.style.left = `${((now - data.starts) / length) * 100}%`;
    });
  }

  function choose(number, ms, play) {
    if (number !== camera || index < 0) {
      camera = number;
      index = -1;
      all("button.camera").forEach((b) => b.setAttribute("aria-pressed", String(Number(b.dataset.camera) === camera)));
      one(".camera-name").replaceChildren(...Array.from(one(`button.camera[data-camera="${camera}"] strong`).cloneNode(true).childNodes));
    }
    show(ms, play);
  }

  video.addEventListener("loadedmetadata", seek);
  video.addEventListener("timeupdate", mark);
  video.addEventListener("seeked", mark);
  video.addEventListener("playing", () => { failures = 0; document.body.classList.add("moving"); });
  video.addEventListener("pause", () => { if (!video.ended) document.body.classList.remove("moving"); });
  video.addEventListener("ended", () => {
    if (index + 1 < segments().length) show(segments()[index][2] + 1, true);
    else { document.body.classList.remove("moving"); say(document.getElementById("no-recording")); }
  });
  video.addEventListener("error", () => {
    const [, , to, codec] = segments()[index];
    document.body.classList.remove("moving");
    failures += 1;
    if (codec !== "hevc" && failures < 3 && goOn && index + 1 < segments().length) show(to + 1, true);
    say(document.getElementById(codec === "hevc" ? "cannot-play-hevc" : "cannot-play"));
  });

  one("#play").addEventListener("click", () => {
    if (video.paused) { goOn = true; if (video.ended) show(data.cameras[camera].starts, true); else video.play().catch(stopped); }
    else { goOn = false; video.pause(); }
  });
  one("#speed").addEventListener("change", (event) => { video.playbackRate = Number(event.target.value); });
  all("[data-move]").forEach((b) => b.addEventListener("click", () => show(wall() + Number(b.dataset.move) * 1000, !video.paused)));
  all("button.camera").forEach((b) => b.addEventListener("click", () => choose(Number(b.dataset.camera), wall(), !video.paused)));
  all(".gaps button").forEach((b) => b.addEventListener("click", () => {
    choose(Number(b.dataset.camera), Math.max(Number(b.dataset.at) - 5000, data.starts), !video.paused); // the last 5 s before the gap
    player.scrollIntoView({ block: "nearest" });
  }));
  all(".bar").forEach((bar) => bar.addEventListener("click", (event) => {
    const box = bar.getBoundingClientRect();
    choose(Number(bar.dataset.camera), data.starts + ((event.clientX - box.left) / box.width) * (data.ends - data.starts), !video.paused);
  }));
  one("#goto").addEventListener("change", (event) => {
    const asked = event.target.value.split(":").map(Number), now = wallClock.format(data.starts).split(":").map(Number);
    const seconds = (t) => t[0] * 3600 + t[1] * 60 + (t[2] || 0);
    if (event.target.value) show(data.starts + ((seconds(asked) - seconds(now) + 86400) % 86400) * 1000, !video.paused);
  });

  function speak(language) {
    document.documentElement.lang = language;
    all("[data-language]").forEach((b) => b.setAttribute("aria-pressed", String(b.dataset.language === language)));
  }
  all("[data-language]").forEach((b) => b.addEventListener("click", () => { speak(b.dataset.language); history.replaceState(null, "", `#${b.dataset.language}`); }));
  speak(["#ru", "#en"].includes(location.hash) ? location.hash.slice(1) : document.documentElement.lang);

  player.hidden = data.cameras.length === 0;
  if (data.cameras.length) choose(0, data.cameras[0].starts, false);
})();
