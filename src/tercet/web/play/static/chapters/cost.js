// What it costs: a computation measured here under sharing and in plain, other networks by calculation, money, noise.

import { bytes, count, money, number, seconds } from "/static/base/amounts.js";
import { announce, ask, during, fill, h } from "/static/base/core.js";
import { field, select } from "/static/base/fields.js";
import { grid } from "/static/base/grid.js";
import { drawPlan } from "/static/base/plan.js";
import { said } from "/static/base/texts.js";

const ROWS = [100, 1000, 10000, 100000];
const ASKED = 1e6;
const SERVERS = 3;

export const chapter = {
  key: "cost",
  async begin(element, texts, done) {
    const costs = await (await fetch("/static/play/costs.json")).json();
    const task = select(Object.entries(texts.tasks), { id: "cost-task" });
    const rows = select(ROWS.map((many) => [many, count(many)]), { id: "cost-rows", value: 1000 });
    const where = h("div");
    const out = h("div");
    const button = h("button", { onclick: async () => (await measure()) && done() }, texts.measure);
    const measure = async () => {
      const body = { task: task.value, rows: Number(rows.value) };
      const answer = await during(button, where, () => ask("cost", { body }));
      if (!answer) return false;
      fill(out, result(answer, { ...body, costs, texts }));
      announce(said(texts.announced, { sharing: seconds(answer.seconds), plain: seconds(answer.plain_seconds) }));
      return true;
    };
    fill(element, h("div.row", field(texts.task, task), field(texts.rows, rows), button), where, out);
    return measure();
  },
};

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
    grid(
      texts.timeTitle,
      texts.head,
      found.map((way) => [
        way.name,
        `${way.calculated ? "≈ " : ""}${seconds(way.seconds)}`,
        way.rounds === null ? "–" : count(way.rounds),
        bytes(way.bytes),
        way.error ? number(way.error) : texts.exact,
        way.sees,
      ]),
      { numbers: [1, 2, 3, 4], named: false },
    ),
    h("p.soft", said(texts.links, { lan: link(answer.links.lan, texts), wan: link(answer.links.wan, texts), continents: link(answer.links.continents, texts) })),
    found.filter((way) => way.measured).map((way) => h("p.soft", `${way.name}: ${way.measured}`)),
    h("h2", texts.moneyTitle),
    priced(found, costs.prices, texts),
    h("h2", texts.noiseTitle),
    h("p", texts.noiseLead),
    answer.noise.length
      ? grid(
          texts.noiseTitle,
          texts.noiseHead,
          answer.noise.map((one) => [number(one.epsilon), number(one.error), number(one.most), number(answer.answer[0])]),
          { numbers: [0, 1, 2, 3], named: false },
        )
      : h("p", texts.noNoise),
    h("p.soft", said(texts.noiseFormula, { rows: count(rows) })),
    h("details", h("summary", texts.plan), drawPlan(answer.picture)),
  ];
}

const link = ([rtt, bandwidth], texts) => said(texts.link, { rtt: seconds(rtt), rate: number(bandwidth / 1e6) });

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
function priced(found, prices, texts) {
  const hour = h("input", { id: "cost-hour", type: "number", min: 0, step: "any", value: prices.server_hour, class: "short" });
  const gigabyte = h("input", { id: "cost-gigabyte", type: "number", min: 0, step: "any", value: prices.gigabyte, class: "short" });
  const out = h("div");
  const show = () => {
    const at = { hour: Number(hour.value) / 3600, byte: Number(gigabyte.value) / 1e9 };
    const sums = found.map((way) => {
      const servers = way.rounds ? SERVERS : 1;
      return [way.name, ASKED * servers * way.seconds * at.hour, ASKED * servers * way.bytes * at.byte];
    });
    fill(
      out,
      grid(
        texts.moneyTitle,
        texts.moneyHead,
        sums.map(([name, servers, sent]) => [name, ...[servers, sent, servers + sent].map((sum) => `${prices.currency} ${money(sum)}`)]),
        { numbers: [1, 2, 3], named: false },
      ),
    );
  };
  for (const input of [hour, gigabyte]) input.addEventListener("input", show);
  show();
  return [
    h("div.row", field(said(texts.hour, prices), hour), field(said(texts.gigabyte, prices), gigabyte)),
    out,
    h("p.soft", said(texts.priceSource, { ...prices, pages: prices.pages.join(", ") })),
  ];
}
