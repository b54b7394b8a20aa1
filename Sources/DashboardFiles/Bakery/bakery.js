"use strict";
// Comfort only: the page and its forms work without it.
(() => {
  document.documentElement.classList.add("js");
  const find = (id) => document.getElementById(id);
  const [slider, words, pause, paused] = [find("position"), find("pace-words"), find("pause"), find("paused")];
  let version = "", touched = 0;

  const localTimes = () => {
    for (const time of document.querySelectorAll("time[datetime]")) {
      time.textContent = new Date(time.dateTime).toLocaleTimeString("en-GB");
    }
  };
  const take = (state) => {
    version = state.version;
    words.textContent = state.pace;
    pause.textContent = state.paused ? "Go on" : "Pause";
    paused.value = state.paused ? "false" : "true";
    if (Date.now() - touched > 1500 && document.activeElement !== slider) slider.value = state.position;
    for (const [name, html] of Object.entries(state.fragments ?? {})) {
      const place = document.querySelector(`[data-part="${name}"]`);
      if (!place || place.innerHTML === html) continue;
      const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
      place.innerHTML = html;
      if (focused) find(focused)?.focus();
    }
    localTimes();
  };
  const look = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(`/state?since=${version}`);
      if (answer.ok) take(await answer.json());
    } catch { /* The application is away; the next look shows. */ }
  };
  const send = async (form) => {
    await fetch(form.getAttribute("action"), { method: "POST", body: new URLSearchParams(new FormData(form)) });
    await look();
  };
  document.addEventListener("submit", (event) => {
    event.preventDefault();
    send(event.target);
  });
  let waiting = 0;
  slider.addEventListener("input", () => {
    touched = Date.now();
    clearTimeout(waiting);
    waiting = setTimeout(() => send(slider.form), 150);
  });
  localTimes();
  look();
  setInterval(look, 1000);
  document.addEventListener("visibilitychange", look);
})();
