// Jobs at a node: those that wait for its operator, with what they disclose, and a list of all.
import { count, percent, seconds } from "/static/base/amounts.js";
import { announce, ask, during, fill, h } from "/static/base/core.js";
import { field } from "/static/base/fields.js";
import { grid } from "/static/base/grid.js";
import { moment } from "/static/people/people.js";

/** A held job: what it discloses, in the node's words, and the two answers. `done` is called after one. */
export function heldJob(job, done) {
  const told = h("div");
  const reason = h("input", { id: `reason-${job.job}`, maxlength: "400" });
  const answer = (verdict, words) => {
    const button = h(
      verdict === "deny" ? "button.quiet" : "button",
      {
        type: "button",
        onclick: () =>
          during(button, told, async () => {
            const found = await ask(`operator/jobs/${job.job}/${verdict}`, { body: { reason: reason.value } });
            const waits = found.waiting_for.length ? `; it waits for ${found.waiting_for.join(", ")}` : "";
            announce(`The job of ${job.analyst_name} is ${found.state} here${waits}`);
            button.blur();
            await done();
          }),
      },
      words,
    );
    return button;
  };
  return h(
    "section.panel",
    { "aria-label": `Held job ${job.job.slice(0, 8)}` },
    h("h3", `${job.analyst_name} asks about ${job.datasets.join(", ")}`),
    h("p", job.purpose ? `Why: ${job.purpose}.` : "They do not say why.", ` Asked ${moment(job.created)}; held by rule ${job.rule}.`),
    h("p", Object.entries(job.charged).map(([name, bits]) => `${count(bits)} bits of ${name}`).join(", ") || "Nothing is charged.", "."),
    h("h4", "What it discloses"),
    h("pre.words", { tabindex: "0", role: "region", "aria-label": "What it discloses" }, job.explanation || job.because.join("\n")),
    Object.entries(job.rests_on).map(([name, words]) => h("p.soft", `${name}: ${words.join("; ")}.`)),
    field("Reason, for the record (the analyst is told why a job is denied)", reason),
    h("div.row", answer("approve", "Approve at this node"), answer("deny", "Deny")),
    told,
  );
}

const STATES = { held: "WAITS FOR YOU", queued: "queued", running: "running", done: "done", failed: "failed", cancelled: "cancelled", refused: "refused" };

/** All jobs in a table; a job's words are shown when it is opened. */
export function jobList(jobs) {
  const told = h("div");
  const open = (job) =>
    h(
      "button.quiet",
      {
        type: "button",
        "aria-label": `What job ${job.job.slice(0, 8)} discloses`,
        onclick: () => {
          fill(
            told,
            h(
              "section.panel",
              { tabindex: "-1", "aria-label": `Job ${job.job.slice(0, 8)}` },
              h("h3", `Job ${job.job.slice(0, 8)} of ${job.analyst_name}`),
              h("p", `${job.verdict}${job.rule ? ` by rule ${job.rule}` : ""}.`, job.error ? h("b.bad", ` ${job.error}`) : ""),
              h("pre.words", { tabindex: "0", role: "region", "aria-label": "What it discloses" }, job.explanation || job.because.join("\n")),
            ),
          );
          told.firstChild.focus();
        },
      },
      "Open",
    );
  return [
    grid(
      "Jobs, newest first",
      ["job", "state", "who", "about", "bits", "asked", "took", "why", ""],
      jobs.map((job) => [
        h("code", job.job.slice(0, 8)),
        job.state === "running" ? `running, ${percent(job.progress)}` : job.state === "queued" && job.waiting_for.length ? `waits for ${job.waiting_for.join(", ")}` : STATES[job.state],
        job.analyst_name,
        job.datasets.join(", "),
        count(Math.max(0, ...Object.values(job.charged))),
        moment(job.created),
        job.finished && job.started ? seconds(job.finished - job.started) : "",
        job.purpose,
        open(job),
      ]),
      { numbers: [4, 6] },
    ),
    told,
  ];
}
