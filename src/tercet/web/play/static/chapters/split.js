// Split: shares of a number by the server's own splitting; and, computed in this page, what bad randomness and numbers
// without a clock would give away.

import { count } from "/static/base/amounts.js";
import { announce, ask, during, fill, h } from "/static/base/core.js";
import { field, select } from "/static/base/fields.js";
import { said } from "/static/base/texts.js";
import { bars, clock, component, heldComponents, onClock, outcome, servers, signed, typed } from "../drawing.js";
import { Guessable, predicted } from "../guessable.js";

export const chapter = {
  key: "split",
  begin(element, texts, done) {
    const runs = [];
    fill(
      element,
      splitting(texts, done, runs),
      h("h2", texts.guessTitle),
      guessing(texts),
      h("h2", texts.endlessTitle),
      endless(texts),
      h("h2", texts.growthTitle),
      growing(texts, runs),
    );
    return Promise.all(runs.map((run) => run()));
  },
};

function splitting(texts, done, runs) {
  const number = h("input", { id: "split-number", inputmode: "numeric", value: "52000", class: "long" });
  const where = h("div");
  const out = h("div");
  const before = h("ol.soft");
  let last;

  const button = h("button", { type: "submit" }, texts.split);
  async function split(by) {
    const answer = await during(button, where, () => ask("split", { body: { number: typed(number) } }));
    if (!answer) return;
    const components = answer.servers.map(([own]) => BigInt(own));
    if (last && by) {
      before.prepend(h("li.number", last.map((one) => count(one)).join(" · ")));
      if (before.children.length > 4) before.lastChild.remove();
    }
    last = components;
    fill(
      out,
      servers(texts.server, answer.servers, heldComponents),
      h(
        "div.pair",
        h("figure", clock(components, said(texts.clockText, { number: answer.together })), h("figcaption", texts.clockCaption)),
        h(
          "div",
          h("p", texts.sum),
          components.map((value, at) => component(at + 1, value)),
          outcome(true, said(texts.together, { number: count(answer.together) })),
          before.children.length ? [h("h3", texts.earlier), before] : null,
        ),
      ),
    );
    if (by) {
      done();
      announce(said(texts.announced, { number: answer.together }));
    }
  }
  runs.push(() => split(false));
  return h(
    "div",
    h(
      "form.row",
      {
        onsubmit: (event) => {
          event.preventDefault();
          split(true);
        },
      },
      field(texts.number, number),
      button,
    ),
    where,
    out,
  );
}

function guessing(texts) {
  const number = h("input", { id: "split-guess", inputmode: "numeric", value: "52000", class: "long" });
  const out = h("div", { "aria-live": "polite" });
  const generator = new Guessable(BigInt(Date.now()));
  function play() {
    let secret;
    try {
      secret = onClock(typed(number));
    } catch {
      fill(out, outcome(false, texts.guessWhole));
      return;
    }
    const [first, second] = [generator.long(), generator.long()];
    const third = onClock(secret - first - second);
    const guess = predicted(first);
    const found = guess === null ? null : signed(onClock(first + guess + third));
    fill(
      out,
      h(
        "ol",
        h("li", texts.guessSees, component(3, third), component(1, first)),
        h("li", texts.guessPredicts, component(2, guess)),
        h("li", texts.guessAdds, outcome(guess !== second, said(texts.guessFound, { number: count(found) }))),
      ),
    );
  }
  return h(
    "div",
    h("p", texts.guessText),
    h("div.row", field(texts.guessNumber, number), h("button", { onclick: play }, texts.guess)),
    out,
    h("p.soft", texts.inPage),
  );
}

function endless(texts) {
  const out = h("div");
  const number = h("input", { type: "range", min: 0, max: 1000, value: 900, id: "endless-number" });
  const shown = h("output.number", { for: "endless-number" }, "900");
  const many = 4000;
  function random(limit) {
    const [word] = crypto.getRandomValues(new Uint32Array(1));
    return Math.floor((word / 2 ** 32) * limit);
  }
  function small(secret) {
    const counts = new Array(20).fill(0);
    for (let each = 0; each < many; each++) {
      const third = secret - random(1001) - random(1001);
      counts[Math.min(19, Math.floor(((third + 2000) / 3001) * 20))] += 1;
    }
    return counts;
  }
  async function draw() {
    const secret = Number(number.value);
    shown.textContent = number.value;
    const answer = await during(button, out, () => ask("split/many", { body: { number: secret, count: many } }));
    if (!answer) return;
    fill(
      out,
      h(
        "div.pair",
        h(
          "figure",
          bars(small(secret), said(texts.withoutText, { number: secret }), { kind: "bad", ends: ["−2000", "1000"], even: false }),
          h("figcaption", h("b", texts.without), " ", said(texts.withoutCaption, { number: secret })),
        ),
        h(
          "figure",
          bars(answer.counts[2], said(texts.withText, { number: secret }), { kind: "c3" }),
          h("figcaption", h("b", texts.with), " ", texts.withCaption),
        ),
      ),
    );
  }
  const button = h("button", { onclick: draw }, said(texts.endlessRun, { count: count(many) }));
  number.addEventListener("input", () => (shown.textContent = number.value));
  return h(
    "div",
    h("p", texts.endlessText),
    h("div.row", field([texts.endlessNumber, " ", shown], number), button),
    out,
    h("p.soft", texts.endlessNote),
  );
}

function growing(texts, runs) {
  const bound = h("input", { id: "split-bound", inputmode: "numeric", value: "10000000000", class: "long" });
  const factors = select([2, 3, 4, 5].map((each) => [each, each]), { id: "split-factors" });
  const where = h("div");
  const out = h("div", { "aria-live": "polite" });
  const button = h("button", { onclick: grow }, texts.grow);
  async function grow() {
    const body = { bound: typed(bound), factors: Number(factors.value) };
    const answer = await during(button, where, () => ask("growth", { body }));
    if (!answer) return;
    const right = answer.wrapped === answer.most;
    fill(
      out,
      h(
        "div.pair",
        h(
          "div",
          h("h3", texts.blind),
          h("p", texts.true, " ", h("span.number", count(answer.most))),
          outcome(right, said(right ? texts.fits : texts.wraps, { number: count(answer.wrapped) })),
        ),
        h(
          "div",
          h("h3", texts.proven),
          answer.refused
            ? [outcome(true, texts.refused), h("p.soft", answer.refused)]
            : [
                h("p", said(texts.ring, { bits: answer.ring === 64 ? "⁶⁴" : "¹²⁸" })),
                outcome(true, said(texts.fits, { number: count(answer.together) })),
              ],
        ),
      ),
    );
  }
  runs.push(grow);
  return h(
    "div",
    h("p", texts.growthText),
    h("div.row", field(texts.bound, bound), field(texts.factors, factors), button),
    where,
    out,
  );
}
