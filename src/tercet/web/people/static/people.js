// What the pages of people share: the navigation, dates and amounts, following what takes long.
import { ask, fill, follow, h, start } from "/static/base/core.js";

/** Begin a page of this name: the navigation is made, then `begin(main, person)` runs. */
export function page(name, begin) {
  start(async (main) => {
    const person = await ask("person");
    const links = [{ name: "", title: "Start" }, ...person.pages].map((one) =>
      h("a", { href: `/${one.name}`, "aria-current": one.name === name ? "page" : null }, one.title),
    );
    fill(
      document.querySelector("header.top"),
      h("nav", { "aria-label": "Pages" }, h("strong", "Tercet"), links, h("span.who", `${person.name} · ${person.federation}`)),
    );
    await begin(main, person);
  });
}

/** A time (Unix seconds) in this browser's zone and manner, to the minute; empty for none. */
export const moment = (seconds) =>
  seconds ? new Date(seconds * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : "";

/** A whole number with groups of digits. */
export const count = (number) => Number(number).toLocaleString("en");

/** A number with its noun: 1 row, 2,000 rows. */
export const counted = (number, noun) =>
  `${count(number)} ${number === 1 ? noun : noun.endsWith("y") ? `${noun.slice(0, -1)}ies` : `${noun}s`}`;

/** A number of bytes, to three digits. */
export function amount(bytes) {
  for (const unit of ["bytes", "kB", "MB"]) {
    if (bytes < 1000) return unit === "bytes" ? `${Math.round(bytes)} ${unit}` : `${bytes.toFixed(1)} ${unit}`;
    bytes /= 1000;
  }
  return `${bytes.toFixed(1)} GB`;
}

/** What is said of a change that not all three nodes have signed; null where they have. */
export const notFinal = (nodes) =>
  nodes.length
    ? h("p.bad", { role: "status" }, `NOT FINAL: ${nodes.join(" and ")} has not signed it yet. Nodes that were down catch up by themselves; load this page again, and tell the operators if it stays so.`)
    : null;

/** A table with a caption: titles, rows of cells (texts or elements); `right`: places of columns of numbers. */
export function grid(caption, titles, rows, right = []) {
  const side = (place) => (right.includes(place) ? ".number" : "");
  return h(
    "div.wide",
    { tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      h("caption", caption),
      h("thead", h("tr", titles.map((title, place) => h(`th${side(place)}`, { scope: "col" }, title)))),
      h("tbody", rows.map((row) => h("tr", row.map((cell, place) => h(`td${side(place)}`, cell))))),
    ),
  );
}

/** Follow something that takes long (its identifier) to its end; `each` gets its facts. Gives the last ones. */
export async function attend(task, each) {
  let last;
  await follow(`tasks/${task}`, {}, (facts) => {
    last = facts;
    each(facts);
  });
  return last;
}
