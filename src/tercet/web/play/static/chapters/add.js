// Add and subtract: each server works on what it has, and no message is sent.

import { count } from "/static/base/amounts.js";
import { announce, ask, during, fill, h } from "/static/base/core.js";
import { field } from "/static/base/fields.js";
import { said } from "/static/base/texts.js";
import { component, heldBy, outcome, servers, typed } from "../drawing.js";

const SIGNS = { add: "+", subtract: "−", times: "×" };

export const chapter = {
  key: "add",
  begin(element, texts, done) {
    const a = h("input", { id: "add-a", inputmode: "numeric", value: "52000", class: "short" });
    const b = h("input", { id: "add-b", inputmode: "numeric", value: "71000", class: "short" });
    const where = h("div");
    const out = h("div");
    async function compute(operation, button) {
      const body = { a: typed(a), b: typed(b), operation };
      const answer = await during(button, where, () => ask("alone", { body }));
      if (!answer) return false;
      const sign = SIGNS[operation];
      const line = (mine, at, number) =>
        h(
          "div.sum",
          h("span"),
          component(number, answer.a[mine][at], "a"),
          h("b.sign", sign),
          operation === "times"
            ? h("span.component", h("b.number", count(body.b)), h("span.soft", texts.public))
            : component(number, answer.b[mine][at], "b"),
          h("div.result", h("b.sign", "="), component(number, answer.result[mine][at], "c")),
        );
      fill(
        out,
        servers(texts.server, answer.result, (number) => heldBy(number).map((one, at) => line(number - 1, at, one))),
        h("p.large", said(texts.messages, { count: answer.messages })),
        outcome(
          true,
          said(texts.result, { a: count(body.a), b: count(body.b), sign, result: count(answer.together) }),
        ),
        h("p.say", operation === "times" ? texts.whyTimes : texts.why),
      );
      announce(said(texts.announced, { result: answer.together, count: answer.messages }));
      return true;
    }
    const button = (operation, quiet) => {
      const made = h(
        quiet ? "button.quiet" : "button",
        { onclick: async () => (await compute(operation, made)) && done() },
        `${SIGNS[operation]} ${texts[operation]}`,
      );
      return made;
    };
    const first = button("add");
    fill(
      element,
      h("div.row", field(texts.a, a), field(texts.b, b), first, button("subtract", true), button("times", true)),
      where,
      out,
    );
    return compute("add", first);
  },
};
