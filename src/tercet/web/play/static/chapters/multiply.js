// Multiply: the nine products, who can compute which and who does, the masked messages, and the sum.

import { count } from "/static/base/amounts.js";
import { announce, ask, during, fill, h } from "/static/base/core.js";
import { field } from "/static/base/fields.js";
import { said, told } from "/static/base/texts.js";
import { SERVERS, brief, glyph, heldBy, heldComponents, holdersOf, outcome, servers, triangle, typed } from "../drawing.js";

export const chapter = {
  key: "multiply",
  begin(element, texts, done) {
    const a = h("input", { id: "multiply-a", inputmode: "numeric", value: "123", class: "short" });
    const b = h("input", { id: "multiply-b", inputmode: "numeric", value: "-45", class: "short" });
    const where = h("div");
    const out = h("div");
    const button = h("button", { type: "submit" }, texts.multiply);

    async function multiply() {
      const body = { a: typed(a), b: typed(b) };
      const answer = await during(button, where, () => ask("multiply", { body }));
      if (!answer) return false;
      fill(
        out,
        h("h2", texts.tableTitle),
        h("p", texts.tableText),
        table(answer, texts, done),
        h("h2", texts.messagesTitle),
        h(
          "div.pair",
          h("figure", triangle(answer.messages, spoken(answer, texts), texts.server), h("figcaption", texts.messagesCaption)),
          h(
            "div",
            h("p", texts.maskText),
            h("ul", SERVERS.map((number) => h("li", said(texts.part, { number, count: computed(answer, number) })))),
            h("p", texts.masksKnown),
            h(
              "ul",
              answer.messages.map(({ from, to, mask }) =>
                h("li", told(texts.mask, { from, to, mask: glyph(mask), third: SERVERS.find((one) => one !== from && one !== to) })),
              ),
            ),
            h("p", texts.cancel),
          ),
        ),
        h("h2", texts.resultTitle),
        servers(texts.server, answer.result, (number, held) => heldComponents(number, held, "c")),
        outcome(
          true,
          said(texts.result, { a: count(body.a), b: count(body.b), result: count(answer.together) }),
        ),
      );
      announce(said(texts.announced, { result: answer.together, count: answer.messages.length }));
      return true;
    }
    fill(
      element,
      h(
        "form.row",
        {
          onsubmit: (event) => {
            event.preventDefault();
            multiply();
          },
        },
        field(texts.a, a),
        field(texts.b, b),
        button,
      ),
      where,
      out,
    );
    return multiply();
  },
};

const computed = (answer, number) => answer.table.filter((one) => one.by === number).length;
const spoken = (answer, texts) =>
  answer.messages.map((one) => said(texts.messageText, { from: one.from, to: one.to, value: brief(one.value) })).join(" ");

function table(answer, texts, done) {
  const detail = h("div.panel", { "aria-live": "polite" }, texts.pick);
  const cells = [];
  let taken = 0;

  function explain(one, cell) {
    for (const other of cells) other.cell.setAttribute("aria-pressed", other.cell === cell);
    const line = (number) => {
      const [hasRow, hasColumn] = [one.row, one.column].map((component) => heldBy(number).includes(component));
      const text = hasRow && hasColumn ? texts.can : hasRow ? texts.lacksColumn : hasColumn ? texts.lacksRow : texts.lacksBoth;
      return h("li", said(text, { number, row: one.row, column: one.column }), one.by === number ? ` ${texts.does}` : null);
    };
    fill(
      detail,
      h("p", h("b", `a${one.row} · b${one.column} = `), h("span.number", count(one.value))),
      h("ul", SERVERS.map(line)),
    );
    done();
  }

  function take(number) {
    taken = taken === number ? 0 : number;
    let lost = 0;
    for (const { one, cell } of cells) {
      const can = able(one).filter((server) => server !== taken);
      cell.classList.toggle("dim", taken !== 0 && can.length === 0);
      lost += taken !== 0 && can.length === 0;
    }
    for (const [at, made] of buttons.entries()) made.setAttribute("aria-pressed", taken === at + 1);
    fill(detail, taken ? said(texts.without, { number: taken, lost }) : texts.pick);
    done();
  }

  const buttons = SERVERS.map((number) =>
    h("button.quiet", { "aria-pressed": "false", onclick: () => take(number) }, said(texts.take, { number })),
  );
  const cellOf = (row, column) => {
    const one = answer.table.find((each) => each.row === row && each.column === column);
    const can = able(one);
    const cell = h(
      "button.cell.lit",
      {
        "aria-pressed": "false",
        "aria-label": said(texts.cell, { row, column, can: can.join(", "), by: one.by }),
        onclick: () => explain(one, cell),
      },
      h("span.number", brief(one.value)),
      h("span.who", can.map((server) => h(server === one.by ? "span.by" : "span", String(server)))),
    );
    cell.style.setProperty("animation-delay", `${one.by * 0.6 - 0.4}s`);
    cells.push({ one, cell });
    return h("td", cell);
  };
  const head = (name, number, scope) =>
    h("th", { scope }, h(`span.component-name.share-${number}`, glyph(number), name, h("sub", String(number))));
  return h(
    "div",
    h(
      "table.nine",
      h("caption.hidden-text", texts.tableTitle),
      h("thead", h("tr", h("td"), SERVERS.map((column) => head("b", column, "col")))),
      h("tbody", SERVERS.map((row) => h("tr", head("a", row, "row"), SERVERS.map((column) => cellOf(row, column))))),
    ),
    h("p.soft", texts.key),
    detail,
    h("div.row", buttons),
  );
}

const able = (one) => holdersOf(one.row).filter((server) => holdersOf(one.column).includes(server));
