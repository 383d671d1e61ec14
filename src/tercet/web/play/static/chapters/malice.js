// Malice and collusion: a lie in a real run, two servers that put together what they store, a forged audit.

import { bytes, count, number } from "/static/base/amounts.js";
import { announce, ask, during, fill, h } from "/static/base/core.js";
import { field, select } from "/static/base/fields.js";
import { grid } from "/static/base/grid.js";
import { said } from "/static/base/texts.js";
import { outcome, SERVERS } from "../drawing.js";

export const chapter = {
  key: "malice",
  begin(element, texts, done) {
    const lying = h("div");
    fill(
      element,
      h("h2", texts.lieTitle),
      lying,
      h("h2", texts.colludeTitle),
      collusion(texts, done),
      h("h2", texts.auditTitle),
      forgery(texts, done),
      h("p.say", texts.end),
    );
    return lie(lying, texts, done);
  },
};

async function lie(element, texts, done) {
  const honest = await ask("malice/honest");
  const where = h("div");
  const out = h("div");
  const server = select(SERVERS.map((one) => [one, said(texts.server, { number: one })]), { id: "lie-server" });
  const message = select([], { id: "lie-message" });
  const purpose = (one) => texts.purposes[one.for] ?? one.for;
  const name = (one, at) =>
    said(one.to ? texts.messageTo : texts.messageAnswer, { at: at + 1, to: one.to, bytes: bytes(one.bytes), for: purpose(one) });
  const offer = () =>
    fill(message, honest.messages[server.value].map((one, at) => h("option", { value: at }, name(one, at))));
  server.addEventListener("change", offer);
  offer();

  const told = (answer) =>
    answer.outcome === "caught"
      ? said(texts.caught, answer)
      : said(texts[answer.outcome], { sum: count(answer.sum), above: answer.above });
  const attempt = (who, which) => ask("malice/lie", { body: { server: who, message: which } });
  const one = h("button", {
    async onclick() {
      const answer = await during(one, where, () => attempt(Number(server.value), Number(message.value)));
      if (!answer) return;
      fill(out, outcome(answer.outcome !== "wrong", told(answer)));
      announce(told(answer));
      done();
    },
  }, texts.flip);
  const all = h("button.quiet", {
    async onclick() {
      const found = [];
      await during(all, where, async () => {
        for (const who of SERVERS) {
          for (const [at, sent] of honest.messages[who].entries()) {
            const answer = await attempt(who, at);
            found.push([said(texts.server, { number: who }), name(sent, at), texts.outcomes[answer.outcome], told(answer)]);
          }
        }
      });
      const ended = (kind) => found.filter((line) => line[2] === texts.outcomes[kind]).length;
      const summary = said(texts.tally, { all: found.length, caught: ended("caught"), wrong: ended("wrong"), harmless: ended("harmless") });
      fill(out, h("p.outcome", summary), grid(texts.flipAll, texts.tallyHead, found, { named: false }));
      announce(summary);
      done();
    },
  }, texts.flipAll);

  fill(
    element,
    h("p", said(texts.lieLead, { incomes: honest.incomes.map(count).join(", "), limit: count(honest.limit) })),
    h("p", said(texts.honest, { sum: count(honest.sum), above: honest.above })),
    h("div.row", field(texts.who, server), field(texts.message, message), one, all),
    where,
    out,
    h("p.say", texts.lieWhy),
    h("p", honest.modes.length > 1 ? said(texts.modes, { modes: honest.modes.join(", ") }) : texts.oneMode),
  );
}

function collusion(texts, done) {
  const where = h("div");
  const out = h("div");
  const boxes = SERVERS.map((one) => h("input", { type: "checkbox", value: one, checked: one < 3 }));
  const button = h("button", {
    async onclick() {
      const together = boxes.filter((box) => box.checked).map((box) => Number(box.value));
      const answer = await during(button, where, () => ask("malice/collude", { body: together }));
      if (!answer) return;
      const names = together.join(texts.and);
      const summary = said(answer.complete ? texts.haveAll : texts.haveNothing, { servers: names });
      fill(
        out,
        outcome(!answer.complete, summary),
        h(
          "ul.plain-list",
          answer.seen.map((part) => h("li", part.map(count).join(" · "))),
        ),
        h("h3", texts.policyTitle),
        h("p", said(texts.policyMean, { mean: number(answer.mean, 8) })),
        h("p", said(texts.policyOne, answer)),
        h("p.say", texts.policyWhy),
      );
      announce(summary);
      done();
    },
  }, texts.collude);
  return [
    h("p", texts.colludeLead),
    h("fieldset", h("legend", texts.whoTogether), h("div.row", SERVERS.map((one, at) => h("label", boxes[at], " ", said(texts.server, { number: one }))), button)),
    h("p.soft", texts.nodesStart),
    where,
    out,
  ];
}

function forgery(texts, done) {
  const where = h("div");
  const out = h("div");
  const chains = h("div");
  const node = select(SERVERS.map((one) => [one, said(texts.node, { number: one })]), { id: "forge-node" });
  const way = select(Object.entries(texts.waysToForge), { id: "forge-way" });
  const list = (title, defects) =>
    h("div.panel", h("h3", title), defects.length ? h("ul", defects.map((line) => h("li", line))) : h("p.good", texts.whole));
  const show = h("button.quiet", {
    async onclick() {
      const answer = await during(show, where, () => ask("malice/audit"));
      if (!answer) return;
      fill(
        chains,
        answer.nodes.map((one) =>
          h(
            "details",
            h("summary", said(texts.chain, { node: one.node, count: one.entries.length })),
            grid(said(texts.chain, { node: one.node, count: one.entries.length }), texts.chainHead, one.entries.map((entry) => [count(entry.number), entry.time, entry.kind, entry.hash.slice(0, 16)]), { numbers: [0], named: false }),
          ),
        ),
      );
    },
  }, texts.showAudit);
  const forge = h("button", {
    async onclick() {
      const body = { node: Number(node.value), way: way.value };
      const answer = await during(forge, where, () => ask("malice/forge", { body }));
      if (!answer) return;
      const caught = answer.together.length > 0;
      const summary = said(caught ? texts.forgeryCaught : texts.forgeryMissed, answer);
      fill(out, outcome(caught, summary), h("div.pair", list(texts.alone, answer.alone), list(texts.together, answer.together)));
      announce(summary);
      done();
    },
  }, texts.forge);
  return [
    h("p", texts.auditLead),
    h("div.row", field(texts.whose, node), field(texts.way, way), forge, show),
    where,
    out,
    chains,
    h("p.say", texts.auditWhy),
  ];
}
