// What the pages of people share: the navigation, dates, following what takes long.
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

/** What is said of a change that not all three nodes have signed; null where they have. */
export const notFinal = (nodes) =>
  nodes.length
    ? h("p.bad", { role: "status" }, `NOT FINAL: ${nodes.join(" and ")} has not signed it yet. Nodes that were down catch up by themselves; load this page again, and tell the operators if it stays so.`)
    : null;

/** Follow something that takes long (its identifier) to its end, or until `signal`; `each` gets its facts. Gives the last ones. */
export async function attend(task, each, signal) {
  let last;
  await follow(`tasks/${task}`, { signal }, (facts) => {
    last = facts;
    each(facts);
  });
  return last;
}
