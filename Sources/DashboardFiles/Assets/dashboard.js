"use strict";
// Everything here is comfort: each page can be read and each form sent without it.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const find = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const words = (name) => find("#state")?.dataset[name] ?? "";
  const visible = () => document.visibilityState === "visible";

  // Times: the server writes them in the zone that the cookie names; the first visit teaches it.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const offset = -new Date().getTimezoneOffset();
  const known = `${encodeURIComponent(zone)}.${offset}`;
  const cookie = document.cookie.split("; ").find((part) => part.startsWith("zone="))?.slice(5);
  const knowsZone = cookie === known;
  document.cookie = `zone=${known}; path=/; max-age=31536000; samesite=lax`;

  const pad = (number, width = 2) => String(number).padStart(width, "0");
  const korean = root.lang === "ko";
  function written(date, form) {
    const now = new Date();
    const clock = `${pad(date.getHours())}:${pad(date.getMinutes())}`;
    const full = `${clock}:${pad(date.getSeconds())}`;
    if (form === "ms") return `${full}.${pad(date.getMilliseconds(), 3)}`;
    if (form === "minute") return clock;
    if (form === "clock") return full;
    if (Math.abs(now - date) < 86400e3) return full;
    const day = korean
      ? `${date.getMonth() + 1}월 ${date.getDate()}일`
      : `${date.getDate()} ${date.toLocaleString("en", { month: "short" })}`;
    if (date.getFullYear() === now.getFullYear()) return `${day} ${clock}`;
    return korean ? `${date.getFullYear()}년 ${day}` : `${day} ${date.getFullYear()}`;
  }
  function localTimes(within) {
    if (knowsZone) return;
    for (const time of all("time[data-form]", within)) time.textContent = written(new Date(time.dateTime), time.dataset.form);
  }
  localTimes(document);
  for (const place of all("[data-zone]")) place.textContent = zone;

  // Countdowns.
  function left(milliseconds) {
    const seconds = Math.ceil(milliseconds / 1000);
    if (seconds < 3600) return `${Math.floor(seconds / 60)}:${pad(seconds % 60)}`;
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
    return korean ? `${hours}시간 ${minutes}분` : `${hours} h ${minutes} min`;
  }
  let asked = 0;
  function countDown() {
    if (!visible()) return;
    for (const time of all("time[data-until]")) {
      const rest = new Date(time.dateTime) - Date.now();
      const place = time.nextElementSibling;
      if (!place?.matches(".left")) continue;
      place.textContent = rest > 0 ? left(rest) : words("now");
      if (rest <= 0 && Date.now() - asked > 5000) { asked = Date.now(); refresh(); }
    }
  }
  setInterval(countDown, 1000);
  countDown();

  // One polite line in ten seconds at most.
  let said = 0;
  function say(text, polite = true) {
    const toast = find("#toast");
    if (!toast || (polite && Date.now() - said < 10e3)) return;
    said = Date.now();
    toast.textContent = text;
    setTimeout(() => { if (toast.textContent === text) toast.textContent = ""; }, 4000);
  }

  // Live: fragments made by the server's own templates replace what stands here. One stream a browser: the tab that
  // holds the lock has it, and shares what comes with the others that are seen.
  const main = find("#main");
  const page = main?.dataset.page ?? location.pathname + location.search;
  const channel = "BroadcastChannel" in window ? new BroadcastChannel("patchbay") : null;
  let source = null, leads = false, paused = false, lastLine = Date.now(), tries = 0, others = new Map();
  let position = main?.dataset.position;

  function show(state, word) {
    const place = find("#state");
    if (!place) return;
    for (const lamp of all("svg", place)) lamp.toggleAttribute("hidden", !lamp.classList.contains(state));
    find(".word", place).textContent = word;
  }
  function replace(id, html) {
    const old = find(`[data-live="${CSS.escape(id)}"]`);
    if (!old) return;
    // As the browser writes it, and without what the reader has opened or stands on.
    const made = document.createElement("template");
    made.innerHTML = html;
    const plain = (text) => text.replace(/ open=""| class="at"| data-fresh=""/g, "");
    if (plain(made.innerHTML) === plain(old.innerHTML)) return;
    const rowsBefore = new Set(all("[data-row] a[href]", old).map((link) => link.getAttribute("href")));
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const key = focused && (focused.id ? `#${CSS.escape(focused.id)}` : focused.getAttribute("href") && `[href="${CSS.escape(focused.getAttribute("href"))}"]`);
    const scrolled = all(".scroll,.code", old).map((box) => [box.scrollLeft, box.scrollTop]);
    const open = new Set(all("details[open][id]", old).map((box) => box.id));
    old.innerHTML = html;
    for (const box of all("details[id]", old)) if (open.has(box.id)) box.open = true;
    all(".scroll,.code", old).forEach((box, index) => { [box.scrollLeft, box.scrollTop] = scrolled[index] ?? [0, 0]; });
    if (key) find(key, old)?.focus({ preventScroll: true });
    for (const one of all("[data-row]", old)) {
      if (!rowsBefore.size || rowsBefore.has(find("a[href]", one)?.getAttribute("href"))) continue;
      one.setAttribute("data-fresh", "");
      setTimeout(() => one.removeAttribute("data-fresh"), 2000);
    }
    localTimes(old);
    countDown();
    if (old.dataset.say) say(old.dataset.say);
  }
  function take(message) {
    if (message.page !== page) return;
    lastLine = Date.now();
    if (message.position) position = message.position;
    if (message.title && !document.hidden) document.title = message.title;
    for (const [id, html] of Object.entries(message.fragments ?? {})) replace(id, html);
  }
  function open() {
    source?.close();
    source = null;
    if (!leads || paused || !visible()) return;
    const pages = [page, ...[...others].filter(([, seen]) => Date.now() - seen < 30e3).map(([name]) => name)];
    const query = [...new Set(pages)].slice(0, 4).map((name) => `page=${encodeURIComponent(name)}`).join("&");
    source = new EventSource(`/dashboard/stream?${query}&after=${position ?? ""}`);
    const fine = () => { tries = 0; lastLine = Date.now(); show("ok", words("fine")); };
    source.onopen = fine;
    source.addEventListener("tick", () => { fine(); channel?.postMessage({ tick: true }); });
    source.addEventListener("page", (event) => {
      fine();
      const message = JSON.parse(event.data);
      message.position = event.lastEventId;
      take(message);
      channel?.postMessage(message);
    });
    source.onerror = () => {
      source?.close();
      const wait = Math.min(30, 2 ** tries++);
      show("waiting", words("again").replace("{n}", wait));
      setTimeout(open, wait * 1000);
    };
  }
  if (channel) channel.onmessage = ({ data }) => {
    if (data.hello) {
      const isNew = data.hello !== page && !others.has(data.hello);
      others.set(data.hello, Date.now());
      if (isNew && leads) open();
    } else if (data.tick) { if (!leads) { lastLine = Date.now(); show("ok", words("fine")); } } else take(data);
  };
  let release = null;
  function lead() {
    if (leads || !visible() || paused) return;
    const begin = () => { leads = true; open(); return new Promise((done) => { release = done; }); };
    if (navigator.locks) navigator.locks.request("patchbay-stream", { ifAvailable: true }, (lock) => lock ? begin() : null);
    else begin();
  }
  function rest() {
    leads = false;
    source?.close();
    source = null;
    release?.();
    release = null;
  }
  async function refresh() {
    if (!main || paused) return;
    if (leads && source) return open();
    const answer = await fetch(`/dashboard/fragments?page=${encodeURIComponent(page)}`).catch(() => null);
    if (answer?.ok) take(await answer.json());
  }
  function pause(stops) {
    paused = stops;
    root.classList.toggle("still", stops);
    if (stops) { rest(); show("paused", words("paused")); } else { show("running", words("catching")); lead(); refresh(); }
  }
  if (find("button#state")) {
    find("#state").addEventListener("click", () => pause(!paused));
    document.addEventListener("visibilitychange", () => {
      root.classList.toggle("still", !visible() || paused);
      if (paused) return;
      if (visible()) { show("running", words("catching")); lead(); refresh(); } else rest();
    });
    setInterval(() => {
      if (!visible() || paused) return;
      if (!leads) { lead(); channel?.postMessage({ hello: page }); }
      const age = Math.round((Date.now() - lastLine) / 1000);
      if (age >= 10 && !tries) show("waiting", words("old").replace("{n}", age));
    }, 3000);
    channel?.postMessage({ hello: page });
    lead();
    addEventListener("pagehide", rest);
  }

  // Copying.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy],[data-copy-from]");
    if (!button) return;
    const text = button.dataset.copy ?? find(`#${button.dataset.copyFrom}`)?.textContent ?? "";
    try { await navigator.clipboard.writeText(text); } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    say(words("copied"), false);
  });

  // Menus close when something else is chosen.
  document.addEventListener("click", (event) => {
    for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });

  // Keys.
  const places = { n: "/", c: "/connections", s: "/sync", e: "/events", j: "/jobs", u: "/users", q: "/quotas", p: "/publish", o: "/orders", r: "/review" };
  let going = false;
  function row(step) {
    const rows = all("[data-row]");
    const at = rows.findIndex((one) => one.classList.contains("at"));
    const next = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + step))];
    if (!next) return;
    rows[at]?.classList.remove("at");
    next.classList.add("at");
    (find("a", next) ?? next).focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }
  const press = {
    "/": () => find("#find")?.focus(),
    "?": () => { location.href = "/account#keys"; },
    j: () => row(1), k: () => row(-1),
    f: () => find("#filter")?.focus(),
    ".": () => find("#state")?.click(),
    c: () => (find("tr.at [data-copy], li.at [data-copy]") ?? find(".crumbs [data-copy]"))?.click(),
    x: () => find(".at input[type=checkbox]")?.click(),
    o: () => (find(".at [data-outside]") ?? find("[data-outside]"))?.click(),
  };
  // Moving what is planned: m, then arrows (15 minutes, a day), Enter.
  let moving = null;
  const move = find("form#move");
  const when = move?.elements.moment;
  function moveTo(address, version, name, value) {
    move.action = address;
    move.elements.version.value = version;
    Object.assign(when, { name, value });
    move.submit();
  }
  // By hand: dropped on another day, it keeps its time on the clock.
  let dragged = null;
  const onto = (event) => dragged && event.target.closest?.("[data-day]");
  if (move) for (const [type, act] of Object.entries({
    dragstart: (event) => { dragged = event.target.closest?.("[data-move]"); },
    dragend: () => { dragged = null; },
    dragover: (event) => { if (onto(event)) event.preventDefault(); },
    drop: (event) => {
      const day = onto(event)?.dataset.day;
      if (!day) return;
      event.preventDefault();
      const { move: address, version, local } = dragged.dataset;
      if (day !== local.slice(0, 10)) moveTo(address, version, "at", day + local.slice(10));
    },
  })) document.addEventListener(type, act);
  function sayMove() {
    const time = moving.at.toLocaleString(root.lang, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    find("#toast").textContent = move.dataset.says.replace("{time}", time);
  }
  if (move) press.m = () => {
    const slot = document.activeElement?.closest("[data-move]");
    if (!slot) return;
    moving = { to: slot.dataset.move, version: slot.dataset.version, at: new Date(slot.dataset.at) };
    sayMove();
  };
  function moved(event) {
    const steps = { ArrowUp: -15, ArrowDown: 15, ArrowLeft: "back", ArrowRight: "on" };
    if (event.key === "Enter") moveTo(moving.to, moving.version, "moment", moving.at.toISOString());
    else if (event.key === "Escape") find("#toast").textContent = "";
    const step = steps[event.key];
    if (!step) { if (event.key !== "Enter" && event.key !== "Escape") return; moving = null; event.preventDefault(); return; }
    event.preventDefault();
    // A day is a day on the clock, be it of 23 hours or 25.
    if (step === "back" || step === "on") moving.at.setDate(moving.at.getDate() + (step === "on" ? 1 : -1));
    else moving.at = new Date(+moving.at + step * 60e3);
    sayMove();
  }
  document.addEventListener("keydown", (event) => {
    if (moving) return moved(event);
    const typing = event.target.closest("input,textarea,select,[contenteditable]");
    if (event.key === "Escape") {
      const menu = find("details.menu[open]");
      if (menu) { menu.open = false; find("summary", menu).focus(); } else if (typing) typing.blur();
      else { const up = all(".crumbs a").pop(); if (up && root.dataset.keys !== "off") location.href = up.href; }
      return;
    }
    if (typing || event.ctrlKey || event.altKey || event.metaKey || root.dataset.keys === "off") return;
    if (going) {
      going = false;
      const chip = event.key === "n" && find("a.chip.new");
      const place = places[event.key];
      if (chip) { event.preventDefault(); chip.click(); } else if (place) { event.preventDefault(); location.href = place; }
      return;
    }
    if (event.key === "g") { going = true; setTimeout(() => { going = false; }, 1500); return; }
    const own = find(`[data-key="${CSS.escape(event.key)}"]`);
    const act = own ? () => own.click() : press[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  // Suggestions below the search: eight at most, 120 ms after the last key, walked by arrows.
  const field = find("#find");
  if (field) {
    const box = document.createElement("div");
    box.className = "hits";
    box.id = "hits";
    box.hidden = true;
    box.setAttribute("role", "listbox");
    box.setAttribute("aria-label", field.placeholder);
    field.parentElement.append(box);
    for (const [name, value] of [["role", "combobox"], ["aria-controls", "hits"], ["aria-autocomplete", "list"], ["aria-expanded", "false"]]) field.setAttribute(name, value);
    let timer = 0, wanted = "";
    const choose = (step) => {
      const hits = all("a", box);
      const at = hits.findIndex((hit) => hit.getAttribute("aria-selected") === "true");
      const next = hits[(at + step + hits.length) % hits.length] ?? hits[0];
      hits.forEach((hit) => hit.setAttribute("aria-selected", String(hit === next)));
      field.setAttribute("aria-activedescendant", next?.id ?? "");
    };
    const close = () => {
      box.hidden = true;
      field.setAttribute("aria-expanded", "false");
      field.removeAttribute("aria-activedescendant");
    };
    const ask = async () => {
      wanted = field.value.trim();
      if (!wanted) return close();
      const answer = await fetch(`/search/suggestions?q=${encodeURIComponent(wanted)}`).catch(() => null);
      const found = answer?.ok ? await answer.json() : null;
      if (!found || field.value.trim() !== wanted || document.activeElement !== field) return;
      box.replaceChildren(...found.hits.map((hit, index) => {
        const link = document.createElement("a");
        Object.assign(link, { href: hit.href, id: `hit-${index}` });
        link.setAttribute("role", "option");
        link.setAttribute("aria-selected", "false");
        link.tabIndex = -1;
        const [name, kind] = [document.createElement("span"), document.createElement("small")];
        name.textContent = hit.name;
        name.className = "any mono";
        kind.textContent = [hit.kind, hit.more].filter(Boolean).join(" · ");
        link.append(name, kind);
        return link;
      }));
      box.hidden = !found.hits.length;
      field.setAttribute("aria-expanded", String(!box.hidden));
    };
    field.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 120); });
    field.addEventListener("blur", () => setTimeout(close, 150));
    field.addEventListener("keydown", (event) => {
      if (box.hidden) return;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); choose(event.key === "ArrowDown" ? 1 : -1); }
      if (event.key === "Escape") { event.stopPropagation(); close(); }
      const chosen = find('[aria-selected="true"]', box);
      if (event.key === "Enter" && chosen) { event.preventDefault(); location.href = chosen.href; }
    });
  }

  // A new post: what the server would say of it, at the fields that were touched, 300 ms after the last key.
  const compose = find("form[data-check]");
  if (compose) {
    const touched = new Set(all("[data-fault]:not([hidden])", compose).map((place) => place.dataset.fault));
    let timer = 0, round = 0;
    const apply = () => {
      for (const box of all("[data-unless]", compose)) {
        const [name, value] = box.dataset.unless.split("=");
        box.hidden = compose.elements[name]?.value === value;
        for (const field of all("input,select", box)) if (box.hidden !== field.disabled && !field.dataset.settled) field.disabled = box.hidden;
      }
    };
    const check = async (act) => {
      const data = new FormData(compose), mine = ++round;
      data.set("file_comes", data.get("file")?.name ? "1" : "");
      data.delete("file");
      if (act) data.set("act", act);
      const answer = await fetch(compose.dataset.check, { method: "POST", body: new URLSearchParams(data) }).catch(() => null);
      const found = answer?.ok ? await answer.json() : null;
      if (!found || mine !== round) return;
      if (found.options !== undefined) { replace("compose-options", found.options); apply(); }
      for (const place of all("[data-fault]", compose)) {
        const said = touched.has(place.dataset.fault) ? found.faults[place.dataset.fault] : null;
        place.hidden = !said;
        find("span", place).textContent = said?.join(" ") ?? "";
      }
      for (const place of all("[data-count]", compose)) place.textContent = found.counts[place.dataset.count] ?? "";
      find("[data-tags]", compose).textContent = found.tags;
    };
    const changed = (event) => {
      const field = event.target.closest("[data-field]")?.dataset.field;
      if (field) touched.add(field);
      if (event.target.id === "at") compose.elements.when.value = "at";
      apply();
      clearTimeout(timer);
      if (event.type === "change" && event.target.name?.startsWith("to.")) check("show");
      else timer = setTimeout(check, 300);
    };
    compose.addEventListener("input", changed);
    compose.addEventListener("change", changed);
    apply();
  }

  // A search among contents goes on while it is watched: each answer is the same page for the part before.
  let scans = true;
  async function scanOn() {
    for (let seen; scans && (seen = find("[data-scan]")) && all("[data-row]").length < 200;) {
      const next = find("a[rel=next]", seen);
      if (!next) return;
      const stop = find("[data-scan-stop]", seen);
      stop.hidden = false;
      stop.onclick = () => { scans = false; stop.hidden = true; next.focus(); };
      while (!visible() || paused) await new Promise((done) => setTimeout(done, 500));
      const answer = await fetch(next.href).catch(() => null);
      if (!answer?.ok || !scans) { stop.hidden = true; return; }
      const made = new DOMParser().parseFromString(await answer.text(), "text/html");
      const [rows, list, part] = [all("[data-row]", made), find("[data-live=events-rows] tbody"), find("[data-scan]", made)];
      if (!part) return;
      if (list) {
        list.append(...rows);
        seen.replaceWith(part);
      } else if (rows.length || !find("a[rel=next]", part)) {
        find("[data-live=events-rows]").replaceWith(find("[data-live=events-rows]", made));
      } else seen.replaceWith(part);
      localTimes(document);
    }
  }
  scanOn();

  // A form is sent once.
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (button) setTimeout(() => { button.disabled = true; setTimeout(() => { button.disabled = false; }, 5000); });
  });
  find("[data-focus]")?.focus();
})();
