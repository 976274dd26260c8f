// Makes the page live: when the daemon tells of a change, what can have changed is fetched anew and put in place.
// Without it all works the same, but for having to reload.
"use strict";

(() => {
  const LEAST_MS = 1000;
  let timer = 0;
  let last = 0;
  let isFetching = false;
  let isWanted = false;

  const say = (text) => {
    const place = document.getElementById("spoken");
    if (place && place.textContent !== text) place.textContent = text;
  };

  // A form that somebody is filling in, an opened detail and a player that plays are left alone.
  const isInUse = (part) =>
    part.contains(document.activeElement) && document.activeElement.matches("input, select, audio") ||
    part.querySelector("details[open]") !== null;

  const refresh = async () => {
    if (isFetching) { isWanted = true; return; }
    isFetching = true;
    last = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const other = fresh.getElementById(part.id);
        if (!other || part.innerHTML === other.innerHTML || isInUse(part)) continue;
        const focused = part.contains(document.activeElement) ? document.activeElement.dataset.key : null;
        part.innerHTML = other.innerHTML;
        if (focused) part.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
      }
      const state = document.getElementById("state-word");
      if (state) say(state.textContent.trim());
    } catch {
      // The daemon is restarting; the event source says when it is back.
    } finally {
      isFetching = false;
      if (isWanted) { isWanted = false; schedule(); }
    }
  };

  const schedule = () => {
    if (timer || document.hidden) return;
    timer = setTimeout(() => { timer = 0; refresh(); }, Math.max(0, LEAST_MS - (Date.now() - last)));
  };

  const connect = () => {
    if (!document.querySelector("[data-live]")) return;
    let isFirst = true;
    const source = new EventSource("/events");
    source.addEventListener("change", () => {
      document.body.classList.remove("is-away");
      if (isFirst) { isFirst = false; return; }
      schedule();
    });
    source.addEventListener("error", () => {
      isFirst = false;
      document.body.classList.add("is-away");
    });
    document.addEventListener("visibilitychange", () => { if (!document.hidden) schedule(); });
    addEventListener("pagehide", () => source.close());
  };

  for (const select of document.querySelectorAll("form[role=search] select")) {
    select.addEventListener("change", () => select.form.requestSubmit());
  }
  for (const player of document.querySelectorAll("audio")) {
    player.addEventListener("play", () => {
      for (const other of document.querySelectorAll("audio")) if (other !== player) other.pause();
    });
  }
  connect();
})();
