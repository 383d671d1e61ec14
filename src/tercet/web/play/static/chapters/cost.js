// What it costs: a computation measured here under sharing and in plain, other networks by calculation, money, noise.

import { announce, ask, during, fill, h } from "/static/base/core.js";
import { bytes, drawPlan, number, seconds, table } from "/static/base/plan.js";
import { field, said } from "../drawing.js";

const ROWS = [100, 1000, 10000, 100000];
const ASKED = 1e6;
const SERVERS = 3;

export const chapter = {
  key: "cost",
  async begin(element, texts, done) {
    const costs = await (await fetch("/static/play/costs.json")).json();
    const task = select(texts.task, Object.entries(texts.tasks));
    const rows = select(texts.rows, ROWS.map((count) => [count, count.toLocaleString("en")]));
    rows.input.value = 1000;
    const where = h("div");
    const out = h("div");
    const button = h("button", { onclick: async () => (await measure()) && done() }, texts.measure);
    const measure = async () => {
      const body = { task: task.input.value, rows: Number(rows.input.value) };
      const answer = await during(button, where, () => ask("cost", { body }));
      if (!answer) return false;
      fill(out, result(answer, { ...body, costs, texts }));
      announce(said(texts.announced, { sharing: seconds(answer.seconds), plain: seconds(answer.plain_seconds) }));
      return true;
    };
    fill(element, h("div.row", task.element, rows.element, button), where, out);
    return measure();
  },
};

function select(label, options) {
  const input = h("select", options.map(([value, name]) => h("option", { value }, name)));
  return { input, element: h("label.field", label, input) };
}

/** All ways with their seconds, bytes, error, and who sees the data. */
function ways(answer, { task, costs, texts }) {
  const words = texts.ways;
  const shared = (name) => ({ ...words[name], bytes: answer.bytes_per_party, rounds: answer.rounds, error: answer.error });
  return [
    { ...words.plain, seconds: answer.plain_seconds, bytes: 0, rounds: 0, error: 0 },
    { ...shared("here"), seconds: answer.seconds },
    ...Object.entries(answer.elsewhere).map(([name, took]) => ({ ...shared(name), seconds: took, calculated: true })),
    ...costs.encrypted
      .filter((one) => one.task === task)
      .map((one) => ({
        ...one,
        name: said(words.encrypted.name, one),
        sees: words.encrypted.sees,
        rounds: null,
        measured: said(texts.measuredOn, { ...one, encrypting: seconds(one.encrypting), sent: bytes(one.sent) }),
      })),
  ];
}

function result(answer, context) {
  const { texts, costs, rows } = context;
  const found = ways(answer, context);
  return [
    h("h2", texts.timeTitle),
    chart(found, texts),
    table(
      texts.head,
      found.map((way) => [
        way.name,
        `${way.calculated ? "≈ " : ""}${seconds(way.seconds)}`,
        way.rounds === null ? "–" : way.rounds.toLocaleString("en"),
        bytes(way.bytes),
        way.error ? number(way.error) : texts.exact,
        way.sees,
      ]),
      [1, 2, 3, 4],
    ),
    h("p.soft", said(texts.links, { lan: link(answer.links.lan), wan: link(answer.links.wan), continents: link(answer.links.continents) })),
    found.filter((way) => way.measured).map((way) => h("p.soft", `${way.name}: ${way.measured}`)),
    h("h2", texts.moneyTitle),
    money(found, costs.prices, texts),
    h("h2", texts.noiseTitle),
    h("p", texts.noiseLead),
    answer.noise.length
      ? table(
          texts.noiseHead,
          answer.noise.map((one) => [number(one.epsilon), number(one.error), number(one.most), number(answer.answer[0])]),
          [0, 1, 2, 3],
        )
      : h("p", texts.noNoise),
    h("p.soft", said(texts.noiseFormula, { rows: rows.toLocaleString("en") })),
    h("details", h("summary", texts.plan), drawPlan(answer.picture)),
  ];
}

const link = ([rtt, bandwidth]) => `${number(rtt * 1000)} ms, ${number(bandwidth / 1e6)} Mbit/s`;

/** Bars on a scale of powers of ten: a table of what takes how long says the same. */
function chart(found, texts) {
  const least = Math.floor(Math.log10(Math.min(...found.map((way) => way.seconds))));
  const most = Math.ceil(Math.log10(Math.max(...found.map((way) => way.seconds), 10 ** (least + 1))));
  const part = (value) => ((Math.log10(value) - least) / (most - least)) * 100;
  return h(
    "figure",
    h(
      "div.scale",
      { "aria-hidden": "true" },
      found.map((way) => {
        const bar = h(`div.scale-bar${way.calculated ? ".calculated" : way.measured ? ".elsewhere" : ""}`);
        bar.style.setProperty("width", `${Math.max(part(way.seconds), 1)}%`);
        return [h("span.scale-name", way.name), h("div.scale-track", bar, h("span.scale-value", seconds(way.seconds)))];
      }),
    ),
    h("figcaption", said(texts.chart, { from: seconds(10 ** least), to: seconds(10 ** most) })),
  );
}

/** What a million such questions cost, at prices that people may change. */
function money(found, prices, texts) {
  const hour = field(said(texts.hour, prices), { type: "number", min: 0, step: "any", value: prices.server_hour, class: "short" });
  const gigabyte = field(said(texts.gigabyte, prices), { type: "number", min: 0, step: "any", value: prices.gigabyte, class: "short" });
  const out = h("div");
  const show = () => {
    const at = { hour: Number(hour.input.value) / 3600, byte: Number(gigabyte.input.value) / 1e9 };
    const priced = found.map((way) => {
      const servers = way.rounds ? SERVERS : 1;
      return [way.name, ASKED * servers * way.seconds * at.hour, ASKED * servers * way.bytes * at.byte];
    });
    fill(
      out,
      table(
        texts.moneyHead,
        priced.map(([name, ...sums]) => [name, ...[...sums, sums[0] + sums[1]].map((sum) => `${prices.currency} ${price(sum)}`)]),
        [1, 2, 3],
      ),
    );
  };
  for (const { input } of [hour, gigabyte]) input.addEventListener("input", show);
  show();
  return [
    h("div.row", hour.element, gigabyte.element),
    out,
    h("p.soft", said(texts.priceSource, { ...prices, pages: prices.pages.join(", ") })),
  ];
}

const price = (sum) => (sum && sum < 0.005 ? "< 0.01" : sum.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 }));
