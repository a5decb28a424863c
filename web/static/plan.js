// Placing on the plan: a press moves the cross, so do the arrow keys and the two numbers; the form sends what they say.
"use strict";
(() => {
  const plan = document.getElementById("plan-edit"), cross = document.getElementById("cross");
  const x = document.getElementById("x"), y = document.getElementById("y"), subject = document.getElementById("subject");
  if (!plan || !x || !y) return;
  const inside = (value) => Math.min(100, Math.max(0, Number(value) || 0));

  function show() {
    cross.setAttribute("x", `${inside(x.value)}%`);
    cross.setAttribute("y", `${inside(y.value)}%`);
  }
  function move(toX, toY) {
    x.value = inside(toX).toFixed(1);
    y.value = inside(toY).toFixed(1);
    show();
  }
  plan.dataset.ready = "1";
  plan.tabIndex = 0;
  plan.setAttribute("role", "application");
  plan.setAttribute("aria-label", plan.querySelector("img").alt);
  plan.addEventListener("click", (event) => {
    const box = plan.querySelector("img").getBoundingClientRect();
    move(((event.clientX - box.left) / box.width) * 100, ((event.clientY - box.top) / box.height) * 100);
  });
  plan.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 5 : 0.5;
    const way = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
    if (!way) return;
    event.preventDefault();
    move(inside(x.value) + way[0], inside(y.value) + way[1]);
  });
  for (const field of [x, y]) field.addEventListener("input", show);
  subject.addEventListener("change", () => { // what is placed here already is shown where it is
    const chosen = subject.selectedOptions[0];
    if (chosen.dataset.x) move(chosen.dataset.x, chosen.dataset.y);
  });
})();
