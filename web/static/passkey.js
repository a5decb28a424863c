// A security key (FIDO2): asks the box for a question, the key for an answer, and sends the form with it.
"use strict";
(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const known = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));
  // Browsers hand keys to safe pages alone, and to pages with a name: an address of digits is none.
  const able = isSecureContext && Boolean(navigator.credentials && window.PublicKeyCredential)
    && !/^[\d.]+$|:/.test(location.hostname);

  const ceremonies = {
    get: (asked) => navigator.credentials.get({ publicKey: {
      ...asked, challenge: bytes(asked.challenge), allowCredentials: known(asked.allowCredentials) } }),
    create: (asked) => navigator.credentials.create({ publicKey: {
      ...asked, challenge: bytes(asked.challenge), user: { ...asked.user, id: bytes(asked.user.id) },
      excludeCredentials: known(asked.excludeCredentials) } }),
  };
  const answer = (made) => JSON.stringify({
    id: made.id, rawId: made.id, type: made.type, clientExtensionResults: {},
    response: Object.fromEntries(["clientDataJSON", "attestationObject", "authenticatorData", "signature"]
      .filter((name) => made.response[name]).map((name) => [name, text(made.response[name])])),
  });

  const touch = async (button, note) => {
    note.hidden = false;
    note.textContent = button.dataset.touch;
    const form = button.form;
    try {
      const asked = await fetch(button.dataset.question, {
        method: "POST", headers: { "X-CSRFToken": form.elements.csrf_token.value } });
      const said = await asked.json();
      if (said.refusal) { note.textContent = said.refusal; return; }
      const made = await ceremonies[button.dataset.passkey](said);
      form.elements.answer.value = answer(made);
      form.requestSubmit(form.querySelector(`button[value="${button.dataset.verdict}"]`));
    } catch (failed) {  // the key was taken away, the person pressed cancel, the connection is gone
      note.textContent = button.dataset.failed;
    }
  };

  for (const button of document.querySelectorAll("button[data-passkey]")) {
    const note = document.getElementById(button.dataset.note);
    if (!able) { note.hidden = false; continue; }
    button.hidden = false;
    button.addEventListener("click", () => touch(button, note));
  }
})();
