// The playground's frame: which chapters there are, which one is shown, and what of them was done.
// A chapter is a module `chapters/KEY.js` that exports `chapter = { key, begin(element, texts, done, signal) }`: it fills the
// element, takes all its words from `texts` (its part of texts.json), and calls `done()` once people have done its thing.
// What it follows ends at `signal`: another chapter is shown.

import { announce, fill, h, start, trouble } from "/static/base/core.js";
import { said } from "/static/base/texts.js";

/** In the order in which they are walked through. */
const CHAPTERS = ["stake", "split", "add", "multiply", "steal", "regress", "cost", "malice", "own"];
const KEPT = "tercet-play-done";

const done = new Set(JSON.parse(sessionStorage.getItem(KEPT) ?? "[]"));
let texts;
let shown;
let leaving = new AbortController();

const place = (key) => CHAPTERS.indexOf(key);
const wanted = () => (place(location.hash.slice(1)) < 0 ? (shown ?? CHAPTERS[0]) : location.hash.slice(1));

function markDone(key) {
  if (done.has(key)) return;
  done.add(key);
  sessionStorage.setItem(KEPT, JSON.stringify([...done]));
  navigation();
}

function navigation() {
  const step = (key) =>
    h(
      "li",
      h(
        "a",
        { href: `#${key}`, "aria-current": key === shown ? "step" : null, class: done.has(key) ? "done" : null },
        h("span.step", { "aria-hidden": "true" }, done.has(key) ? "✓" : String(place(key) + 1)),
        h("span.step-name", texts[key].short),
        done.has(key) ? h("span.hidden-text", ` (${texts.frame.done})`) : null,
      ),
    );
  const nav = document.getElementById("chapters");
  nav.setAttribute("aria-label", texts.frame.chapters);
  fill(nav, h("span.brand", mark(), h("span.brand-name", texts.frame.brand)), h("ol.steps", CHAPTERS.map(step)));
}

const mark = () =>
  h(
    "svg",
    { viewBox: "0 0 32 32", width: 22, height: 22, "aria-hidden": "true" },
    h("circle.fill-1", { cx: 16, cy: 8, r: 6 }),
    h("rect.fill-2", { x: 3, y: 18, width: 11, height: 11 }),
    h("path.fill-3", { d: "M18 29h12L24 17z" }),
  );

async function show(key, { focus }) {
  shown = key;
  leaving.abort();
  const { signal } = (leaving = new AbortController());
  navigation();
  const words = texts[key];
  const heading = h("h1", { tabindex: -1 }, words.title);
  const content = h("div");
  const others = [CHAPTERS[place(key) - 1], CHAPTERS[place(key) + 1]];
  const foot = h(
    "nav.foot",
    { "aria-label": texts.frame.walk },
    others.map((other, next) =>
      other
        ? h(next ? "button.next" : "button.quiet.previous", { onclick: () => go(other) }, turn(next, texts[other].short))
        : h("span"),
    ),
  );
  const main = document.querySelector("main");
  fill(
    main,
    h("article", { class: `chapter ${key}` },
      h("p.count", said(texts.frame.count, { number: place(key) + 1, of: CHAPTERS.length })),
      heading,
      h("p.lead", words.lead),
      content,
    ),
    foot,
    h("p.soft.keys", texts.frame.keys),
  );
  document.title = `${words.title} · ${texts.frame.brand}`;
  scrollTo(0, 0);
  if (focus) heading.focus();
  try {
    const { chapter } = await import(`./chapters/${key}.js`);
    if (signal.aborted) return;
    await chapter.begin(content, words, () => markDone(key), signal);
    if (!signal.aborted) main.dataset.shown = key;
  } catch (error) {
    if (!signal.aborted) fill(content, trouble(error));
  }
}

const turn = (next, name) => (next ? [`${texts.frame.next}: ${name} `, arrow("→")] : [arrow("←"), ` ${name}`]);
const arrow = (sign) => h("span", { "aria-hidden": "true" }, sign);

function go(key) {
  if (key) location.hash = key;
}

function turnWithKeys(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  if (event.target.closest("input, select, textarea, [data-arrows], .wide, pre")) return;
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (by) go(CHAPTERS[place(shown) + by]);
}

start(async () => {
  texts = await (await fetch("/static/play/texts.json")).json();
  document.body.prepend(
    h("a.skip", {
      href: "#main",
      onclick: (event) => {
        event.preventDefault();
        document.querySelector("main").focus();
      },
    }, texts.frame.skip),
  );
  addEventListener("hashchange", () => {
    if (place(location.hash.slice(1)) < 0 || wanted() === shown) return;
    show(wanted(), { focus: true });
    announce(texts[wanted()].title);
  });
  addEventListener("keydown", turnWithKeys);
  await show(wanted(), { focus: false });
});
