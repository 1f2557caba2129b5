// What a page does by itself: it shows what is new, says what a chart shows where one points, and copies commands.
// Without it everything can be read; what is new then comes by a reload.
"use strict";
(() => {
  const PACE = 2000;
  document.documentElement.classList.add("script");
  document.cookie = `zone=${-new Date().getTimezoneOffset()}; path=/; max-age=31536000; samesite=strict`;

  // What somebody is reading, pointing at or typing into stays as it is.
  const isHeld = (part) => {
    const selected = getSelection();
    return (document.activeElement !== document.body && part.contains(document.activeElement)) ||
      (selected && !selected.isCollapsed && part.contains(selected.anchorNode)) ||
      part.querySelector(".frame:hover") !== null;
  };
  const word = () => document.querySelector("h1")?.textContent.trim();
  // What is new is in the page itself, or, of one that stands still, in its frame alone.
  const news = () => document.getElementById("main").dataset.news ?? location.href;
  let shown = 0, wanted = null, busy = false;
  // The whole page has all that its frame has.
  const want = (url) => { wanted = wanted === location.href ? wanted : url; };

  const show = async (url) => {
    if (busy || document.hidden) { want(url); return; }
    busy = true; wanted = null;
    try {
      const answer = await fetch(url, { headers: { accept: "text/html" } });
      if (!answer.ok) return;
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      const before = word();
      for (const part of next.querySelectorAll("[data-live]")) {
        const old = document.getElementById(part.id);
        if (!old || old.isEqualNode(part) || isHeld(old)) continue;
        const open = [...old.querySelectorAll("details")].map((fold) => fold.open);
        const copy = document.importNode(part, true);
        copy.querySelectorAll("details").forEach((fold, at) => { fold.open = open[at] ?? false; });
        old.replaceWith(copy);
      }
      document.title = next.title;
      if (word() !== before) document.getElementById("said").textContent = word() ?? "";
      shown = Date.now();
    } catch {
      // The stream says that nobody answers.
    } finally {
      busy = false;
      if (wanted) later();
    }
  };
  let timer = 0;
  const later = () => {
    want(news());
    clearTimeout(timer);
    timer = setTimeout(() => show(wanted ?? news()), Math.max(0, shown + PACE - Date.now()));
  };
  document.addEventListener("visibilitychange", () => { if (!document.hidden && wanted) show(wanted); });

  const connected = (is) => {
    const seen = document.getElementById("seen");
    if (!seen || is === !seen.classList.contains("lost")) return;
    seen.classList.toggle("lost", !is);
    const time = new Date().toTimeString().slice(0, 5);
    if (!is) seen.querySelector(".state").textContent = `not connected since ${time}, trying again`;
  };
  const listen = () => {
    const stream = new EventSource("./events");
    stream.onmessage = later;
    stream.onopen = () => { connected(true); later(); };
    stream.onerror = () => {
      connected(false);
      // A browser tries again by itself where nobody answers, and gives up where a proxy does in place of metric.
      if (stream.readyState === EventSource.CLOSED) setTimeout(listen, PACE);
    };
  };
  if (document.querySelector("[data-live]")) listen();

  // A rule at what one points at, and what it says in the line beneath.
  const point = (hit) => {
    const frame = hit.closest(".frame");
    frame.querySelector(".hit.at")?.classList.remove("at");
    hit.classList.add("at");
    const line = frame.querySelector(".readout");
    if (line) line.textContent = hit.querySelector("title").textContent;
  };
  document.addEventListener("pointerover", (event) => {
    if (event.target.classList?.contains("hit")) point(event.target);
  });
  document.addEventListener("keydown", (event) => {
    const plot = event.target.closest?.("svg.plot");
    const hits = plot ? [...plot.querySelectorAll(".hit")] : [];
    if (!hits.length) return;
    const at = hits.findIndex((hit) => hit.classList.contains("at"));
    const to = { ArrowLeft: at < 0 ? hits.length - 1 : at - 1, ArrowRight: at + 1, Home: 0, End: hits.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    point(hits[Math.min(Math.max(to, 0), hits.length - 1)]);
  });

  // The answer follows what is typed, and the address keeps it.
  let typing = 0;
  document.addEventListener("input", (event) => {
    const form = event.target.closest?.("form[data-try]");
    if (!form) return;
    // A slider and its field say the same.
    const { of } = event.target.dataset;
    if (of) form.elements[of].value = Number(Number(event.target.value).toPrecision(4));
    else form.querySelectorAll(`[data-of="${event.target.id}"]`).forEach((slider) => { slider.value = event.target.value; });
    clearTimeout(typing);
    typing = setTimeout(() => {
      history.replaceState(null, "", `?${new URLSearchParams(new FormData(form))}`);
      show(location.href);
    }, 150);
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("button[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.previousElementSibling.textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
})();
