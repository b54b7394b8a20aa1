// Sends the requests that this page shows, with a key that the reader pastes. The key stays in this page's memory.
(() => {
  "use strict";
  const make = (tag, members = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), members);
    element.append(...children);
    return element;
  };
  const shown = [...document.querySelectorAll(".shown[data-method]")];
  if (shown.length === 0) return;

  const key = make("input", { id: "api-key", type: "password", autocomplete: "off", spellcheck: false });
  key.setAttribute("aria-describedby", "api-key-hint");
  const panel = make("div", { className: "sending" },
    make("label", { htmlFor: "api-key", textContent: "API key" }), key,
    make("p", { id: "api-key-hint", textContent: "Send below uses it. It is forgotten when you leave this page." }));
  if (shown.some((place) => "key" in place.dataset)) document.querySelector("main h1").after(panel);

  const pretty = (text, type) => {
    if (!(type ?? "").includes("json")) return text;
    try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
  };

  shown.forEach((place, number) => {
    const { method, path, body } = place.dataset;
    const name = `${method} ${path}`;
    const address = make("input", { value: path, spellcheck: false, autocomplete: "off", id: `path-${number}` });
    const fields = [make("label", { htmlFor: address.id, textContent: "Path" }), address];
    const text = body === undefined ? null : make("textarea", { value: body, rows: 6, spellcheck: false, id: `body-${number}` });
    if (text) fields.push(make("label", { htmlFor: text.id, textContent: "Body" }), text);
    const send = make("button", { type: "submit", textContent: "Send" });
    send.setAttribute("aria-label", `Send ${name}`);
    const form = make("form", { className: "send" }, ...fields, send);
    const status = make("p", { className: "sent" });
    status.setAttribute("role", "status");
    const answer = make("pre", { tabIndex: 0, hidden: true });
    place.append(make("h3", { textContent: "Try it" }), form, status, answer);

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      answer.hidden = true;
      if ("key" in place.dataset && !key.value.trim()) {
        status.textContent = "Paste an API key above first. Make one: patchbay keys create";
        key.focus();
        return;
      }
      // Only this server: what is typed is a path.
      const target = new URL(address.value, location.origin);
      if (target.origin !== location.origin) {
        status.textContent = "The path begins with / and belongs to this server.";
        return;
      }
      const headers = {};
      if ("key" in place.dataset) headers.Authorization = `Bearer ${key.value.trim()}`;
      if (text) headers["Content-Type"] = "application/json";
      if ("once" in place.dataset) headers["Idempotency-Key"] = crypto.randomUUID();
      send.disabled = true;
      status.textContent = "Waiting for the answer.";
      const began = performance.now();
      try {
        const reply = await fetch(target, { method, headers, body: text?.value, credentials: "omit", redirect: "manual" });
        const said = await reply.text();
        const request = reply.headers.get("Patchbay-Request-Id");
        status.textContent = `${reply.status} in ${Math.round(performance.now() - began)} ms${request ? `, request ${request}` : ""}`;
        answer.textContent = pretty(said, reply.headers.get("Content-Type"));
        answer.hidden = said === "";
      } catch {
        status.textContent = "The server did not answer. Is it running?";
      }
      send.disabled = false;
    });
  });
})();
