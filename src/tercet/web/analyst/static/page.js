// The analyst's page: tables, a question, what it would cost and reveal, its answer, and what was asked before.
import { count, counted, percent, seconds } from "/static/base/amounts.js";
import { announce, ask, during, fill, h, trouble } from "/static/base/core.js";
import { field } from "/static/base/fields.js";
import { grid } from "/static/base/grid.js";
import { drawPlan } from "/static/base/plan.js";
import { attend, moment, page } from "/static/people/people.js";
import { form } from "./ask.js";
import { shown } from "./answer.js";

const words = (question) =>
  question === undefined
    ? "An earlier job"
    : question.kind === "sql"
      ? question.sql
      : question.kind === "regression"
        ? `Regression: ${question.target} by ${question.features.join(", ")} (${question.dataset})`
        : `${question.column} of ${question.dataset}, ${question.bins} bins`;

page("analyst", async (main) => {
  const tables = await ask("analyst/tables");
  const usable = tables.filter((table) => table.rows > 0);
  const listed = h("div"), fetched = h("div");
  const again = () => refresh(listed, fetched);
  fill(
    main,
    h("h1", "Questions"),
    h("p", "What you ask is public to the three operators. The answer is put together here, for you alone."),
    tables.length ? [described(tables), usable.length ? asking(usable, again) : null] : h("p", "There are no tables that you may ask about yet."),
    h("h2", "Asked before"),
    fetched,
    listed,
  );
  await again();
});

function described(tables) {
  return tables.map((table) =>
    h(
      "details.panel",
      h("summary", `${table.name}: ${counted(table.rows, "row")}, ${counted(table.columns.length, "column")}`),
      h("p.soft", `Owners: ${table.owners.join(", ") || "none"}. Groups of fewer than ${table.cohort} rows are not shown.`),
      grid(`Columns of ${table.name}`, ["column", "kind and bounds", "about"], table.columns.map((column) => [column.name, column.described, column.about])),
    ),
  );
}

function asking(tables, changed) {
  const told = h("div"), answer = h("div"), wrong = h("div");
  const form_ = form(tables, () => {
    fill(wrong);
    fill(told);
  });
  const purpose = h("input#purpose", { maxlength: 200, autocomplete: "off" });
  const body = () => {
    const question = form_.question();
    if (typeof question === "string") {
      fill(wrong, trouble({ message: question, hint: "" }));
      return null;
    }
    return { question, purpose: purpose.value };
  };
  const explain = h("button.quiet", { type: "button", onclick: () => run(explain, told, explained) }, "Explain first");
  const go = h("button", { type: "button", onclick: () => run(go, answer, answered) }, "Ask");
  const run = (button, where, what) => {
    fill(wrong);
    if (told.querySelector("[role=alert]")) fill(told);
    const asked = body();
    if (asked) during(button, where, () => what(asked, where));
  };

  async function explained(asked, where) {
    const found = await ask("analyst/explain", { body: asked });
    fill(where, h("h2", { tabindex: "-1" }, "What it would cost and reveal"), verdicts(found), drawPlan({ ...found.picture, decisions: [] }));
    where.querySelector("h2").focus();
  }

  async function answered(asked, where) {
    const task = await ask("analyst/questions", { body: asked });
    announce("The question is on its way to the three nodes");
    changed();
    await showTask(task, where, words(asked.question));
    changed();
  }

  return h(
    "section",
    { "aria-label": "A question" },
    h("h2", "Ask"),
    form_.element,
    field("Why you ask (operators and owners read it)", purpose),
    wrong,
    h("div.row", explain, go),
    told,
    answer,
  );
}

function verdicts({ picture, texts }) {
  const kinds = { accepted: "would run it", held: "would hold it until an operator approves", refused: "would refuse it" };
  const said = {};
  for (const [node, text] of Object.entries(texts)) (said[text] ??= []).push(node);
  return [
    picture.decisions.map((one) =>
      h(
        `div.verdict.${one.verdict}`,
        h("strong", one.node),
        ` ${kinds[one.verdict] ?? one.verdict}${one.rule ? `, by rule ${one.rule}` : ""}`,
        one.verdict === "accepted" ? null : h("p", one.because),
      ),
    ),
    Object.entries(said).map(([text, nodes]) => h("details", h("summary", `As ${nodes.join(", ")} see${nodes.length === 1 ? "s" : ""} it`), h("p.said", text))),
  ];
}

const following = new WeakMap();

/** Show a question in `where` until its end, or until another one is shown there. */
async function showTask(task, where, title) {
  following.get(where)?.abort();
  const ends = new AbortController();
  following.set(where, ends);
  try {
    await followTask(task, where, title, ends.signal);
  } catch (error) {
    if (!ends.signal.aborted) fill(where, trouble(error));
  }
}

async function followTask(task, where, title, signal) {
  const bar = h("progress", { max: 1, value: 0, "aria-label": "The nodes work" }), state = h("p", "The nodes work.");
  const stop = h("button.quiet", { type: "button", onclick: () => ask(`tasks/${task.task}/cancel`, { method: "POST" }) }, "Cancel");
  fill(where, h("h2", { tabindex: "-1" }, "Answer"), h("p.soft", title), bar, state, stop);
  let held = false;
  const last = await attend(task.task, (facts) => {
    bar.value = facts.progress ?? 0;
    if (facts.held && !held) {
      held = true;
      fill(state, h("strong", `Held by ${facts.held.nodes.join(" and ")}. `), "It runs when the operator approves it. You may leave this page; the answer will be in the list below.");
      announce(`Held by ${facts.held.nodes.join(" and ")}`);
    } else if (held && facts.progress > 0) fill(state, "Approved: the nodes work.");
  }, signal);
  if (last.state === "done") {
    fill(where, h("h2", { tabindex: "-1" }, "Answer"), h("p.soft", title), shown(last.result.answer, last.result.cost, title));
    where.querySelector("h2").focus();
    announce("The answer is here");
  } else if (last.state === "cancelled") fill(where, h("p", "Cancelled: nothing of it became plain."));
  else fill(where, trouble({ message: last.error.message, hint: last.error.hint, rule: last.error.rule, node: last.error.node }));
}

/** Draw what was asked before; an answer of it stays in `answer`, a place of its own. */
async function refresh(where, answer) {
  const [tasks, { jobs, otherwise }] = await Promise.all([ask("analyst/questions"), ask("analyst/jobs")]);
  const open = (task) => showTask(task, answer, words(task.question)).then(() => refresh(where, answer));
  const mine = tasks.map((task) => [
    moment(task.began),
    words(task.question),
    task.state === "running" && task.held ? "held" : task.state,
    h("button.quiet", { type: "button", onclick: () => showTask(task, answer, words(task.question)) }, task.state === "running" ? "Follow" : "Show"),
  ]);
  const fetched = (job) => async (event) => {
    const found = await during(event.target, answer, () => ask(`analyst/jobs/${job.job}/answer`, { method: "POST" }));
    if (found) await open(found);
  };
  const cancelled = (job) => async (event) => {
    const found = await during(event.target, answer, () => ask(`analyst/jobs/${job.job}/cancel`, { method: "POST" }));
    if (found) await refresh(where, answer);
  };
  const rows = jobs.map((job) => [
    job.job.slice(0, 8),
    state(job),
    job.datasets.join(", "),
    count(job.bits),
    moment(job.created),
    job.seconds === null ? "" : seconds(job.seconds),
    job.rests_on,
    job.purpose,
    [
      job.here ? h("button.quiet", { type: "button", "aria-label": `Fetch the answer of job ${job.job.slice(0, 8)}`, onclick: fetched(job) }, "Fetch") : null,
      job.final ? null : h("button.quiet", { type: "button", "aria-label": `Cancel job ${job.job.slice(0, 8)}`, onclick: cancelled(job) }, "Cancel"),
    ],
  ]);
  fill(
    where,
    tasks.length ? grid("Questions of this page", ["asked", "question", "state", ""], mine) : null,
    otherwise.map((job) => trouble({ message: `Of job ${job.slice(0, 8)} another node tells another end`, hint: "see tercet jobs, and ask the operators" })),
    jobs.length
      ? grid("My jobs, as the nodes have them", ["job", "state", "datasets", "bits", "asked", "took", "rests on", "purpose", ""], rows, { numbers: [3, 5] })
      : h("p", "No jobs yet."),
  );
}

function state(job) {
  if (job.state === "running") return `running, ${percent(job.progress)}`;
  if (job.waiting_for.length) return `waits for ${job.waiting_for.join(", ")}`;
  return job.error ? `${job.state}: ${job.error}` : job.state;
}
