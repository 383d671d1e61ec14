// The operator's page: what is to be done, jobs, the node, datasets, its policy, its record.
import { bytes, count, counted, number, seconds } from "/static/base/amounts.js";
import { announce, ask, during, fill, h, trouble } from "/static/base/core.js";
import { grid } from "/static/base/grid.js";
import { attend, moment, notFinal, page } from "/static/people/people.js";
import { heldJob, jobList } from "./jobs.js";
import { showPolicy } from "./policy.js";

const EVERY_MS = 10_000;
const SETTLE_MS = 800;

page("operator", async (main, person) => {
  const parts = Object.fromEntries(["today", "jobs", "node", "datasets", "policy", "audit"].map((name) => [name, h("section", { id: name })]));
  const seen = {};
  const refreshed = h("div");
  /** Draw what has changed; what somebody is working in is left until they are done. */
  async function draw() {
    const facts = await ask("operator/status");
    const drawn = {
      today: [facts.today, () => today(facts.today)],
      jobs: [facts.jobs, () => jobs(facts.jobs, look)],
      node: [stable(facts), () => node(facts)],
      datasets: [facts.datasets, () => datasets(facts.datasets, look, refreshed)],
    };
    for (const [name, [data, draw]] of Object.entries(drawn)) {
      const now = JSON.stringify(data);
      if (seen[name] === now || (seen[name] && parts[name].contains(document.activeElement))) continue;
      if (name === "today" && seen.today) announce("What is to be done has changed");
      fill(parts[name], draw());
      if (seen[name]) settle(parts[name]);
      seen[name] = now;
    }
  }
  let looking = null;
  /** One look at a time: whoever wants one while it is under way gets that one. */
  const look = () => (looking ??= draw().finally(() => (looking = null)));
  look.now = async (name) => {
    await looking?.catch(() => {}); // it may have been answered before what is to be seen
    delete seen[name];
    return look();
  };
  await look();
  fill(main, h("h1", `My node: ${person.own}`), parts.today, parts.jobs, parts.node, parts.datasets, parts.policy, parts.audit);
  await showPolicy(parts.policy);
  await showAudit(parts.audit);
  const told = h("div");
  parts.today.before(told);
  setInterval(() => {
    if (document.hidden) return;
    look().then(() => fill(told), (error) => fill(told, trouble(error)));
  }, EVERY_MS);
});

/** Buttons that have just moved take no press that was meant for others. */
function settle(part) {
  const moved = [...part.querySelectorAll("button:enabled")];
  for (const button of moved) button.disabled = true;
  setTimeout(() => moved.forEach((button) => (button.disabled = false)), SETTLE_MS);
}

const today = (list) => [
  h("h2", "Today"),
  list.length
    ? h("ul.today", list.map((one) => h(`li${one.urgent ? ".urgent" : ""}`, h("strong", one.what), one.todo ? h("div", `What to do: ${one.todo}.`) : null)))
    : h("p.good", "Nothing is to be done."),
];

function jobs(list, look) {
  // the oldest first: one that comes later moves nothing that is there
  const held = list.filter((job) => job.state === "held").reverse();
  return [
    h("h2", "Jobs"),
    held.map((job) => heldJob(job, () => look.now("jobs"))),
    list.length ? jobList(list) : h("p", "There were none yet."),
  ];
}

/** What of the status does not change by itself all the time. */
const stable = ({ status, certificates }) => [
  status.health,
  status.peers.map((peer) => [peer.name, peer.reachable, peer.problem, peer.differing, peer.software]),
  status.lanes.map((lane) => lane.job),
  status.datasets,
  status.uploads,
  Math.round(status.free_bytes / 1e8),
  status.policy,
  status.audit.number,
  certificates,
];

/** By how much a clock is ahead of this node's: the way there and back takes a part of a second. */
const clock = (ahead) => (Math.abs(ahead) < 1 ? "as here" : `${ahead > 0 ? "+" : ""}${number(ahead)} s`);

function node({ status, certificates, least_free_bytes: least }) {
  const busy = status.lanes.filter((lane) => lane.job).length;
  const facts = [
    ["state", status.health.ready ? h("span.good", "ready") : h("b.bad", `NOT READY: ${status.health.missing.join("; ")}`)],
    ["place", `party ${status.node.party} of ${status.node.federation_name}`],
    ["running", `${status.node.software}, since ${moment(status.node.started)}`],
    ["workers", `${busy} of ${status.lanes.length} busy`],
    ["shares", `${counted(status.datasets, "dataset")}, ${bytes(status.stored_bytes)}`],
    ["disk", h("span", { class: status.free_bytes < 2 * least ? "bad" : null }, `${bytes(status.free_bytes)} free; below ${bytes(least)} uploads and jobs are refused`)],
    ["uploads under way", count(status.uploads)],
    ["policy in force", `${counted(status.policy.people, "person").replace("persons", "people")}, ${counted(status.policy.rules, "rule")}, since ${moment(status.policy.loaded)}`],
    ["record", counted(status.audit.number, "entry")],
  ];
  return [
    h("h2", "The node"),
    grid("This node", ["what", ""], facts),
    grid(
      "The two others, as this one sees them",
      ["node", "", "round trip", "its clock", "software", "data"],
      status.peers.map((peer) => [
        peer.name,
        peer.reachable ? "answers" : h("b.bad", `DOES NOT ANSWER: ${peer.problem}`),
        peer.reachable ? seconds(peer.round_trip_s) : "",
        peer.reachable ? clock(peer.clock_ahead_s) : "",
        peer.software,
        peer.differing.length ? h("b.bad", `DIFFERS: ${peer.differing.join(", ")}`) : "fits",
      ]),
      { numbers: [2, 3] },
    ),
    grid(
      "Certificates of the three nodes",
      ["node", "ends", "days left"],
      certificates.map((one) => [one.name, moment(one.until), one.days < 60 ? h("b.bad", count(one.days)) : count(one.days)]),
      { numbers: [2] },
    ),
  ];
}

/** `told`: where the last refresh is told of; it stays when the list is drawn anew. */
function datasets(list, look, told) {
  const refresh = (one) => {
    const button = h(
      "button.quiet",
      {
        type: "button",
        "aria-label": `Renew the shares of ${one.name}`,
        onclick: () =>
          during(button, told, async () => {
            const outcome = await ask(`operator/datasets/${one.name}/refresh`, { method: "POST" });
            announce(`The shares of ${one.name} are renewed`);
            button.blur();
            await look.now("datasets");
            fill(told, notFinal(outcome.unsigned));
            return outcome;
          }),
      },
      "Refresh",
    );
    return button;
  };
  return [
    h("h2", "Datasets"),
    list.length
      ? grid(
          "Datasets of which this node has its part",
          ["dataset", "rows", "version", "owners", "changed", "shares renewed", "under way", ""],
          list.map((one) => [one.name, count(one.rows), count(one.version), one.owners.join(", "), moment(one.changed), moment(one.refreshed) || "not yet", one.changing, refresh(one)]),
          { numbers: [1, 2] },
        )
      : h("p", "There are none."),
    list.length ? h("p.soft", "Refresh draws new shares of the same values at all three nodes: what somebody has stolen of one node before does not fit what they steal of another later.") : null,
    told,
  ];
}

async function showAudit(section) {
  const told = h("div");
  const rows = h("div");
  const check = h("button", { type: "button", onclick: () => during(check, told, verify) }, "Check the whole record");

  async function verify() {
    const task = await ask("operator/audit/verify", { method: "POST" });
    const line = h("p", "Reading …");
    fill(told, line);
    const end = await attend(task.task, ({ entries }) => {
      if (entries) line.textContent = `Reading: ${counted(entries, "entry")}`;
    });
    if (end.state === "failed") throw Object.assign(new Error(end.error.message), end.error);
    const { entries, defects } = end.result;
    fill(
      told,
      defects.length
        ? h("div.trouble", { role: "alert" }, h("strong", `The record is NOT whole: ${counted(defects.length, "defect")}`), h("ul", defects.map((one) => h("li", one))), h("p", "What to do: keep the files, and ask the other operators for their exports: tercet audit verify compares them."))
        : h("p.good", { role: "status" }, `The record is whole: ${counted(entries, "entry")}, each bound to the one before and signed by this node. Whether its end was cut off is seen beside the records of the others: tercet audit verify.`),
    );
  }

  async function show(before) {
    const { entries, more } = await ask(`operator/audit${before ? `?before=${before}` : ""}`);
    const last = entries.at(-1)?.number;
    const older = h("button.quiet", { type: "button", disabled: !more, onclick: () => during(older, told, () => show(last)) }, "Older ones");
    fill(
      rows,
      grid("The newest entries", ["no.", "time", "kind", "details"], entries.map((one) => [count(one.number), moment(Date.parse(one.time) / 1000), one.kind, details(one.details)]), { numbers: [0] }),
      h("div.row", before ? h("button.quiet", { type: "button", onclick: () => show() }, "Newest") : null, older),
    );
  }

  fill(section, h("h2", "Record"), h("p", "What this node did, in a chain: each entry is bound to the one before, and signed."), h("div.row", check), told, rows);
  await show();
}

const LEFT_OUT = new Set(["certificate", "evidence", "reasons", "signature"]);

/** The details of an entry in a line: hashes by their first digits, evidence left out. */
function details(facts) {
  const short = (value) => {
    if (Array.isArray(value)) return value.map(short).join(", ");
    if (value === null || typeof value === "object") return "";
    const text = typeof value === "number" && value > 1e9 && value < 1e10 ? moment(value) : String(value);
    return /^[0-9a-f]{32,}$/.test(text) ? text.slice(0, 8) : text.slice(0, 80);
  };
  return Object.entries(facts)
    .filter(([name]) => !LEFT_OUT.has(name))
    .map(([name, value]) => [name, short(value)])
    .filter(([, text]) => text)
    .map(([name, text]) => `${name}: ${text}`)
    .join(" · ");
}
