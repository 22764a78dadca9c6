// Keeps an open page up to date. Without it, every page works by reloading.
"use strict";
(() => {
  const body = document.body;
  const LEAST = 2500; // milliseconds between two readings of the page
  const find = (name, value) => document.querySelector(`[data-${name}="${CSS.escape(value)}"]`);

  // Who follows a link from elsewhere brings no cookie at first: ask again, from a page of ours.
  if (body.classList.contains("login")) {
    const after = document.querySelector("input[name=next]").value || "/console";
    fetch("/console/session", { cache: "no-store" })
      .then((reply) => reply.json())
      .then((told) => { if (told.open) location.replace(after); })
      .catch(() => {});
  }

  const ages = [[90, 1, "s"], [5400, 60, "min"], [172800, 3600, "h"], [Infinity, 86400, "days"]];
  function tell(time) {
    const past = (Date.now() - Date.parse(time.dateTime)) / 1000;
    const [, unit, name] = ages.find(([until]) => past < until);
    const text = past < 5 ? "now" : `${Math.round(past / unit)} ${name} ago`;
    if (time.textContent !== text) time.textContent = text;
  }
  setInterval(() => document.querySelectorAll("time[datetime]").forEach(tell), 5000);

  if (body.dataset.alerts === undefined || !window.EventSource) return;
  const sign = document.querySelector("[data-stream]");
  const said = document.querySelector("[data-said]");
  let seen = `${body.dataset.alerts} ${body.dataset.standings}`;
  let now = seen, read = 0, reading = false, away = false;

  function state(name, text) {
    sign.className = `stream ${name}`;
    sign.textContent = text;
  }

  function replace(region, fresh) {
    // What somebody has opened is left as it is; forms stand in no region.
    if (!fresh || region.querySelector("details[open]")) return;
    if (region.innerHTML === fresh.innerHTML) return;
    const known = new Set([...document.querySelectorAll("[data-alert]")].map((one) => one.dataset.alert));
    const held = region.contains(document.activeElement) && document.activeElement;
    const link = held && held.getAttribute("href");
    region.replaceChildren(...fresh.childNodes);
    for (const one of region.querySelectorAll("[data-alert]")) {
      if (!known.has(one.dataset.alert)) one.classList.add("fresh");
    }
    if (link) region.querySelector(`a[href="${CSS.escape(link)}"]`)?.focus({ preventScroll: true });
  }

  async function refresh() {
    if (reading || document.hidden || Date.now() - read < LEAST) return;
    reading = true;
    const wanted = now;
    try {
      const reply = await fetch(location.href, { cache: "no-store" });
      if (reply.redirected) return location.reload();
      if (!reply.ok) return;
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      for (const region of document.querySelectorAll("[data-region]")) {
        replace(region, page.querySelector(`[data-region="${region.dataset.region}"]`));
      }
      document.title = page.title;
      seen = wanted;
    } catch {
      // The next event tries again.
    } finally {
      read = Date.now();
      reading = false;
    }
  }

  function hear(news) {
    for (const [name, text] of Object.entries(news.numbers)) {
      const place = find("live", name);
      if (place && place.textContent !== text) place.textContent = text;
    }
    for (const kind of ["line", "area"]) {
      for (const [name, path] of Object.entries(news[`${kind}s`])) {
        find(kind, name)?.setAttribute("d", path);
      }
    }
    if (news.said.length) said.textContent = news.said.join(". ");
    now = `${news.alerts} ${news.standings}`;
    if (away) seen = "";
    away = false;
    if (now !== seen) refresh();
  }

  const source = new EventSource("/console/events");
  source.addEventListener("news", (event) => {
    state("open", "Live");
    hear(JSON.parse(event.data));
  });
  source.addEventListener("away", () => {
    away = true;
    state("lost", "The store is away");
  });
  source.addEventListener("leave", () => location.reload());
  source.addEventListener("error", () => {
    if (source.readyState !== EventSource.CLOSED) return state("lost", "Connecting again");
    state("", "Every 15 s");
    setInterval(refresh, 15000);
  });
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
})();
