// A card reader types a number and Enter, wherever the cursor stands, faster than any finger: it goes to the card's field.
"use strict";
(() => {
  const QUICK_MS = 40, SHORTEST = 6;
  const field = document.querySelector("input[data-card]");
  if (!field) return;
  let typed = "", last = 0, before = "";
  addEventListener("keydown", (event) => {
    const within = document.activeElement;
    if (within === field || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    const quick = event.timeStamp - last < QUICK_MS;
    last = event.timeStamp;
    if (event.key === "Enter" && quick && typed.length >= SHORTEST) {
      event.preventDefault();
      if (within && "value" in within) within.value = before;  // what the reader left in another field
      field.value = typed;
      field.form.requestSubmit(field.form.querySelector("button:not([type])"));  // the first one, as Enter does
    } else if (event.key.length === 1) {
      if (!quick) { typed = ""; before = within && "value" in within ? within.value : ""; }
      typed += event.key;
    }
  }, true);
})();
