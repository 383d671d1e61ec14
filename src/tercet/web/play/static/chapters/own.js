// Your own: Python on secret arrays in a process of its own, SQL on an own table at three real nodes.

import { bytes, count, seconds } from "/static/base/amounts.js";
import { announce, ask, call, during, fill, follow, h, trouble } from "/static/base/core.js";
import { field } from "/static/base/fields.js";
import { grid } from "/static/base/grid.js";
import { drawMessages, drawPlan } from "/static/base/plan.js";
import { said } from "/static/base/texts.js";

export const chapter = {
  key: "own",
  async begin(element, texts, done, signal) {
    const examples = await (await fetch("/static/play/examples.json")).json();
    fill(
      element,
      h("h2", texts.pythonTitle),
      h("p.panel", texts.rights),
      python(examples, texts, done, signal),
      h("h2", texts.sqlTitle),
      sql(texts, done),
    );
  },
};

const cost = (ran, texts) =>
  said(texts.ran, { rounds: count(ran.rounds), bytes: bytes(ran.bytes_per_party), seconds: seconds(ran.seconds) });

function python(examples, texts, done, signal) {
  const code = h("textarea.code#own-code", { rows: 14, spellcheck: "false", autocapitalize: "off", "aria-describedby": "run-keys" });
  const note = h("p");
  const choose = h(
    "select#own-example",
    Object.entries(texts.groups).map(([group, label]) =>
      h("optgroup", { label }, examples.filter((one) => one.group === group).map((one) => h("option", { value: one.key }, one.title))),
    ),
  );
  const pick = () => {
    const example = examples.find((one) => one.key === choose.value);
    code.value = example.code;
    fill(note, example.note);
  };
  choose.addEventListener("change", pick);
  pick();

  const stops = h("input", { type: "checkbox", checked: true });
  const where = h("div");
  const printed = h("pre", { tabindex: 0, "aria-label": texts.output });
  const output = h("div", { hidden: true }, h("h3", texts.output), printed);
  const plans = h("div");
  const order = (what) => call(`own/${what}`, { method: "POST" }).catch((error) => where.append(trouble(error)));
  const stop = h("button.quiet", { disabled: true, onclick: () => order("stop") }, texts.stop);
  const run = h("button", { onclick: () => start() }, texts.run);
  let shown = 0;

  async function start() {
    shown = 0;
    fill(plans);
    printed.textContent = "";
    output.hidden = true;
    stop.disabled = false;
    announce(texts.started);
    await during(run, where, () => follow("own/python", { body: { code: code.value, stops: stops.checked }, signal }, show));
    stop.disabled = true;
    plans.querySelectorAll("button.go").forEach((button) => button.remove());
  }

  function show(told) {
    if (told.kind === "printed") {
      output.hidden = false;
      printed.append(told.text);
    } else if (told.kind === "plan") {
      plan(told.picture);
    } else if (told.kind === "ran") {
      const place = plans.lastElementChild;
      place.querySelector("summary").append(` ${texts.done}`);
      place.open = shown === 1;
      place.append(h("h4", texts.after), h("p", cost(told, texts)), drawMessages(told.messages));
    } else if (told.kind === "error") {
      const line = told.line ? said(texts.line, told) : "";
      where.append(trouble({ message: `${line}${told.message}`, hint: told.hint }));
    } else if (told.kind === "end" && told.done) {
      announce(texts.ended);
      done();
    }
  }

  function plan(picture) {
    shown += 1;
    for (const earlier of plans.children) earlier.open = false;
    const go = stops.checked
      ? h("button.go", {
          onclick() {
            go.remove();
            code.focus();
            return order("go");
          },
        }, texts.go)
      : null;
    plans.append(
      h("details.panel", { open: stops.checked }, h("summary", said(texts.plan, { number: shown })), h("h4", texts.before), drawPlan(picture), go),
    );
    if (go) {
      go.focus();
      announce(said(texts.waits, { number: shown, rounds: picture.rounds }));
    }
  }

  code.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || run.disabled) return;
    event.preventDefault();
    start();
  });
  return [
    field(texts.example, choose),
    note,
    field(texts.code, code),
    h("p.soft#run-keys", texts.keys),
    h("div.row", run, stop, h("label", stops, " ", texts.stops)),
    where,
    plans,
    output,
  ];
}

function sql(texts, done) {
  const query = h("textarea.code#own-sql", { rows: 4, spellcheck: "false", autocapitalize: "off", value: texts.query });
  const file = h("input", { id: "own-file", type: "file", accept: ".csv,.parquet,.arrow,.feather,.xlsx" });
  const where = h("div");
  const shown = h("div");
  const out = h("div");
  const picture = h("div");
  const upload = h("button.quiet", {
    async onclick() {
      const [chosen] = file.files;
      if (!chosen) return fill(where, trouble({ message: texts.noFile, hint: texts.chooseFile }));
      const added = await during(upload, where, () => ask("own/table", { method: "POST", body: chosen }));
      if (!added) return undefined;
      query.value = said(texts.countQuery, added);
      const columns = added.columns.map((column) => `${column.name} (${column.kind})`).join(", ");
      const summary = said(texts.added, { ...added, rows: count(added.rows), columns });
      fill(shown, h("p", summary), added.notes.length ? h("ul", added.notes.map((line) => h("li", line))) : null);
      return announce(summary);
    },
  }, texts.upload);
  const explain = h("button.quiet", {
    async onclick() {
      const found = await during(explain, where, () => ask("own/explain", { body: { sql: query.value } }));
      if (found) fill(picture, h("h3", texts.before), drawPlan(found));
    },
  }, texts.explain);
  const run = h("button", {
    async onclick() {
      const answer = await during(run, where, async () => {
        fill(picture, h("h3", texts.before), drawPlan(await ask("own/explain", { body: { sql: query.value } })));
        return ask("own/sql", { body: { sql: query.value } });
      });
      if (!answer) return;
      fill(
        out,
        h("h3", texts.answer),
        grid(texts.answer, answer.names, answer.rows, { named: false }),
        answer.note ? h("p", answer.note) : null,
        h("h3", texts.after),
        h("p", cost(answer, texts)),
        grid(texts.after, texts.sentHead, answer.sent.map((one) => [one.node, count(one.bytes)]), { numbers: [1], named: false }),
      );
      announce(texts.ended);
      done();
    },
  }, texts.runSql);
  return [
    h("p", texts.sqlLead),
    h("p.soft", texts.nodesStart),
    h("div.row", field(texts.file, file), upload),
    shown,
    field(texts.sql, query),
    h("div.row", run, explain),
    where,
    picture,
    out,
  ];
}
