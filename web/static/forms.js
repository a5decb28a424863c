// Small manners of the forms: a press is confirmed or may be repeated, a password can be shown, a refusal takes the focus.
"use strict";
(() => {
  const ANSWER_MS = 3000;

  document.addEventListener("submit", (event) => {
    const form = event.target, button = event.submitter;
    if (form.method !== "post" || !button || !button.dataset.writing) return;
    if (form.dataset.pressed) { event.preventDefault(); return; }
    form.dataset.pressed = "1";
    const word = button.innerHTML;
    // After the browser has read the form: a disabled button would not be sent.
    setTimeout(() => {
      button.style.minWidth = `${button.offsetWidth}px`;
      button.textContent = button.dataset.writing;
      button.setAttribute("aria-busy", "true");
    });
    setTimeout(() => {
      delete form.dataset.pressed;
      button.removeAttribute("aria-busy");
      if (button.dataset.again) button.textContent = button.dataset.again; else button.innerHTML = word;
    }, ANSWER_MS);
  });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  for (const button of document.querySelectorAll("[data-show]")) {
    const field = document.getElementById(button.dataset.show), word = button.textContent;
    button.hidden = false;
    button.addEventListener("click", () => {
      const hidden = field.type === "password";
      field.type = hidden ? "text" : "password";
      button.textContent = hidden ? button.dataset.hideWord : word;
      button.setAttribute("aria-pressed", String(hidden));
    });
  }

  const refusal = document.querySelector("[data-focus]");
  if (refusal) refusal.focus();

  const video = document.getElementById("video");
  if (video) {
    video.addEventListener("error", () => {
      const note = document.getElementById("video-note");
      note.textContent = video.dataset.cannot;
      note.hidden = false;
    });
    const following = document.getElementById("following");
    if (following) video.addEventListener("ended", () => following.click());
  }
})();
