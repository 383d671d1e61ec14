// Steal a server: what it has beside the plain data, a test of it, a second theft, and fresh shares between the two.
// The page is the thief: what it makes of stolen components it computes here.

import { count, number as figure } from "/static/base/amounts.js";
import { announce, ask, download, during, fill, h } from "/static/base/core.js";
import { field, select } from "/static/base/fields.js";
import { grid } from "/static/base/grid.js";
import { said } from "/static/base/texts.js";
import { SERVERS, bars, glyph, heldBy, onClock, outcome, server, signed } from "../drawing.js";

const SHOWN = 6;
const BINS = 16;

export const chapter = {
  key: "steal",
  begin(element, texts, done) {
    const vault = { plain: [], epoch: 0 };
    let loot = {};
    const data = h("div");
    const boxes = h("div");
    const tried = h("div");
    const where = h("div");

    const column = select(Object.entries(texts.columns), { id: "steal-column" });
    const own = h("textarea", { rows: 3, placeholder: texts.ownPlaceholder, "aria-label": texts.own });
    const ownPart = h("div", { hidden: true }, own);
    column.addEventListener("change", () => (ownPart.hidden = column.value !== "own"));

    const shareButton = h("button", { onclick: share }, texts.share);
    async function share() {
      const body =
        column.value === "own"
          ? { values: own.value.split(/[\s,;]+/).filter(Boolean) }
          : { column: column.value };
      const answer = await during(shareButton, where, () => ask("steal/share", { body }));
      if (!answer) return;
      const test = await ask("steal/test", { body: { numbers: answer.plain } });
      Object.assign(vault, answer);
      loot = {};
      fill(
        data,
        h(
          "div.pair",
          h(
            "figure",
            bars(binned(vault.plain), said(texts.plainText, { count: vault.plain.length }), {
              kind: "plain",
              ends: [least(vault.plain), most(vault.plain)].map(count),
              even: false,
            }),
            h("figcaption", said(texts.plainCaption, { count: vault.plain.length, p: figure(test.p, 2) })),
          ),
          rows(texts, [[texts.value, vault.plain]]),
        ),
      );
      fill(tried);
      draw();
    }

    const refreshButton = h("button.quiet", { onclick: refresh }, texts.refresh);
    async function refresh() {
      const answer = await during(refreshButton, where, () => ask("steal/refresh", { method: "POST" }));
      if (!answer) return;
      vault.epoch = answer.epoch;
      announce(said(texts.refreshed, answer));
      draw(said(texts.refreshed, answer));
    }

    async function steal(number, button) {
      const taken = await during(button, where, () => ask("steal/take", { body: { server: number } }));
      if (!taken) return;
      const tests = await during(button, where, async () => ({
        own: await ask("steal/test", { body: { numbers: taken.own } }),
        next: await ask("steal/test", { body: { numbers: taken.next } }),
      }));
      if (!tests) return;
      loot[number] = { ...taken, tests };
      done();
      draw();
      boxes.querySelector(`[data-server="${number}"] h3`).focus();
      await combine();
    }

    function draw(news) {
      fill(
        boxes,
        h(
          "div.row",
          SERVERS.map((number) => {
            const button = h("button", { onclick: () => steal(number, button) }, said(texts.steal, { number }));
            return button;
          }),
          refreshButton,
        ),
        h("p", news ?? said(texts.epoch, { epoch: vault.epoch })),
        h("div.three.stolen-boxes", SERVERS.filter((number) => loot[number]).map((number) => stolen(number, loot[number], texts, vault))),
      );
    }

    async function combine() {
      const found = SERVERS.filter((number) => loot[number]);
      if (found.length < 2) {
        fill(tried, outcome(true, texts.oneOnly));
        return;
      }
      const [first, second] = found.slice(-2);
      const parts = { [heldBy(first)[0]]: loot[first].own, [heldBy(first)[1]]: loot[first].next };
      for (const [at, which] of heldBy(second).entries()) parts[which] ??= at ? loot[second].next : loot[second].own;
      const sums = parts[1].map((one, row) => String(signed(onClock(BigInt(one) + BigInt(parts[2][row]) + BigInt(parts[3][row])))));
      const right = sums.filter((one, row) => one === vault.plain[row]).length;
      const broken = right === sums.length;
      fill(
        tried,
        h("h2", said(texts.bothTitle, { first, second })),
        h("p", texts.bothText),
        h(
          "div.pair",
          h(
            "figure",
            broken
              ? bars(binned(sums), texts.brokenText, { kind: "bad", ends: [least(sums), most(sums)].map(count), even: false })
              : bars(onDial(sums), texts.noiseText, {}),
            h("figcaption", said(texts.bothCaption, { right, count: sums.length })),
          ),
          rows(texts, [
            [texts.value, vault.plain],
            [texts.guess, sums],
          ]),
        ),
        outcome(!broken, said(broken ? texts.broken : texts.useless, { right, count: sums.length })),
        h("p.say", broken ? texts.afterBroken : texts.afterUseless),
      );
      announce(said(broken ? texts.broken : texts.useless, { right, count: sums.length }));
    }

    fill(
      element,
      h("div.row", field(texts.data, column), shareButton),
      ownPart,
      where,
      data,
      h("h2", texts.thief),
      h("p", texts.thiefText),
      boxes,
      tried,
    );
    return share();
  },
};

const bigs = (numbers) => numbers.map((one) => BigInt(one));
const least = (numbers) => bigs(numbers).reduce((a, b) => (a < b ? a : b));
const most = (numbers) => bigs(numbers).reduce((a, b) => (a > b ? a : b));

/** How many numbers lie in each sixteenth of their own range. */
function binned(numbers) {
  const [from, to] = [least(numbers), most(numbers)];
  const counts = new Array(BINS).fill(0);
  for (const one of bigs(numbers)) counts[Number(((one - from) * BigInt(BINS)) / (to - from + 1n))] += 1;
  return counts;
}

/** How many lie in each sixteenth of the clock. */
function onDial(numbers) {
  const counts = new Array(BINS).fill(0);
  for (const one of numbers) counts[Number(onClock(one) >> 60n)] += 1;
  return counts;
}

const rows = (texts, columns) =>
  grid(
    texts.rows,
    [texts.row, ...columns.map(([name]) => name)],
    columns[0][1].slice(0, SHOWN).map((_, at) => [count(at + 1), ...columns.map(([, values]) => count(values[at]))]),
    { numbers: columns.map((_, at) => at + 1), heads: true, named: false },
  );

function stolen(number, taken, texts, vault) {
  const columns = heldBy(number).map((one, at) => ({ one, values: at ? taken.next : taken.own, test: at ? taken.tests.next : taken.tests.own }));
  const file = () => {
    const lines = [["plain", ...columns.map(({ one }) => `x${one}`)], ...vault.plain.map((plain, row) => [plain, ...columns.map(({ values }) => values[row])])];
    download(`server-${number}.csv`, lines.map((line) => line.join(",")).join("\n") + "\n", "text/csv");
  };
  const box = server(
    number,
    texts.stolen,
    h("p.soft", said(texts.stolenThen, { epoch: taken.epoch })),
    columns.map(({ one, values, test }) =>
      h(
        "div.loot",
        h("h4", glyph(one), h("span", "x", h("sub", String(one)))),
        h("ol.number", values.slice(0, SHOWN).map((value) => h("li", count(value)))),
        h(
          "figure",
          bars(test.counts, said(texts.testText, { p: figure(test.p, 2) }), { kind: `c${one}` }),
          h("figcaption", said(texts.test, { statistic: figure(test.statistic), p: figure(test.p, 2) })),
        ),
      ),
    ),
    h("button.quiet", { onclick: file }, texts.save),
    h("details", h("summary", texts.rerun), h("pre", { tabindex: 0 }, said(texts.command, { number, own: heldBy(number)[0] }))),
  );
  box.classList.add("stolen");
  box.querySelector("h3").tabIndex = -1;
  return box;
}
