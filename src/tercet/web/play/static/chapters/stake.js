// What is at stake: four kinds of data, and what a breach costs before and after the data is split.

import { count, money, number } from "/static/base/amounts.js";
import { fill, h } from "/static/base/core.js";
import { field } from "/static/base/fields.js";
import { said } from "/static/base/texts.js";

const PICTURES = {
  card: "M3 10h36v24H3zM3 17h36M8 28h8",
  income: "M21 5v32M30 11c-2-3-6-4-9-4-5 0-9 2-9 7s4 6 9 7 9 3 9 7-4 7-9 7c-4 0-8-1-9-5",
  fingerprint: "M10 34c3-6 3-9 3-13a8 8 0 0 1 16 0c0 6 0 10-2 15M17 37c3-5 4-9 4-16M6 27c1-3 1-4 1-7a14 14 0 0 1 28 0c0 5 0 8-1 12",
  anxiety: "M21 36C5 25 4 18 6 13c3-7 12-6 15 1 3-7 12-8 15-1 2 5 1 12-15 23zM9 21h7l3-5 4 9 3-4h7",
};

const dollars = (sum) => `$${money(sum)}`;

export const chapter = {
  key: "stake",
  async begin(element, texts, done) {
    const figures = await (await fetch("/static/play/figures.json")).json();
    const records = h("input", { id: "stake-records", type: "number", min: 0, max: 1e10, value: 100000, class: "short" });
    const cost = h("input", { id: "stake-cost", type: "number", min: 0, max: 1e6, step: "any", class: "short" });
    const chance = h("input", { id: "stake-chance", type: "number", min: 0, max: 100, step: "any", value: 5, class: "short" });
    const source = h("p.soft");
    const result = h("div", { "aria-live": "polite" });

    const loss = (none, title, amount, text) =>
      h(none ? "div.loss.none" : "div.loss", h("h3", title), h("p.large", dollars(amount)), h("p", text));

    function compute() {
      const whole = Math.max(0, Number(records.value)) * Math.max(0, Number(cost.value));
      const p = Math.min(100, Math.max(0, Number(chance.value))) / 100;
      const two = 3 * p * p * (1 - p) + p ** 3;
      const people = count(Number(records.value));
      fill(
        result,
        h(
          "div.losses",
          loss(false, texts.before, whole, said(texts.beforeText, { count: people })),
          loss(true, texts.one, 0, texts.oneText),
          loss(false, texts.two, whole, said(texts.twoText, { count: people })),
        ),
        h(
          "p.say",
          said(texts.yearly, {
            before: dollars(p * whole),
            after: dollars(two * whole),
            chance: number(100 * p),
            both: number(100 * two),
          }),
        ),
        h("p.soft", texts.honest),
      );
    }

    function choose(kind) {
      cost.value = figures[kind].dollars;
      fill(source, said(texts.source, figures[kind]));
      compute();
    }

    const card = (kind, at) =>
      h(
        "label.kind",
        h("input", {
          type: "radio",
          name: "kind",
          value: kind,
          checked: at === 0,
          onchange: () => {
            choose(kind);
            done();
          },
        }),
        h("svg", { viewBox: "0 0 42 42", "aria-hidden": "true" }, h("path", { d: PICTURES[kind] })),
        h("strong", texts.kinds[kind].name),
        h("span", texts.kinds[kind].text),
      );

    for (const input of [records, cost, chance]) {
      input.addEventListener("input", () => {
        compute();
        done();
      });
    }
    fill(
      element,
      h("fieldset", h("legend", texts.choose), h("div.kinds", Object.keys(PICTURES).map(card))),
      h("h2", texts.calculator),
      h("div.row", field(texts.records, records), field(texts.cost, cost), field(texts.chance, chance)),
      source,
      result,
    );
    choose("card");
  },
};
