// The datasets of an owner: what is there, which jobs touched it, taking it back.
import { count, counted } from "/static/base/amounts.js";
import { announce, ask, during, fill, h, trouble } from "/static/base/core.js";
import { grid } from "/static/base/grid.js";
import { moment, notFinal } from "/static/people/people.js";

const VALUES = (column) =>
  column.categories?.join(", ") ?? (column.lo === undefined ? "" : `${column.lo} … ${column.hi}`);

/** Fill the section with the datasets, as the nodes have them now; `told`: an element that says what was done. */
export async function showDatasets(section, told = null) {
  const { datasets, differing } = await ask("owner/datasets");
  const mine = datasets.filter((one) => one.mine.length);
  const others = datasets.filter((one) => !one.mine.length);
  fill(
    section,
    h("h2#datasets-title", "Datasets with rows of mine"),
    told,
    Object.values(differing).map(trouble),
    mine.length ? mine.map((one) => dataset(one, section)) : h("p", "None yet."),
    others.length
      ? [h("h2", "Other datasets"), grid("Datasets of others that you may see", ["dataset", "rows", "owners", "changed"], others.map((one) => [one.name, count(one.rows), one.owners.join(", "), moment(one.changed)]), { numbers: [1] })]
      : null,
  );
}

function dataset(one, section) {
  const told = h("div");
  const rows = one.mine.reduce((sum, part) => sum + part.rows, 0);
  const withdraw = (button, upload, what) =>
    confirmed(told, `Delete ${what} in ${one.name} at all three nodes? What was kept of them goes, too; what was revealed stays with those who have it.`, button, async () => {
      const outcome = await ask(`owner/datasets/${one.name}/withdraw`, { body: { upload } });
      announce(`Withdrawn from ${one.name}`);
      await showDatasets(section, notFinal(outcome.unsigned));
      return outcome;
    });
  return h(
    "section.panel",
    { "aria-label": one.name },
    h("h3", one.name),
    h("p", `${counted(one.rows, "row")} (${count(rows)} of them mine), owners: ${one.owners.join(", ")}. Changed ${moment(one.changed)}${one.refreshed ? `, shares renewed ${moment(one.refreshed)}` : ""}.`, one.changing ? h("b", ` Under way: ${one.changing}.`) : ""),
    h("details", h("summary", counted(one.columns.length, "column")), grid(`Columns of ${one.name}`, ["column", "kind", "values"], one.columns.map((column) => [column.name, column.kind + (column.nullable ? ", may be missing" : ""), VALUES(column)]))),
    h(
      "details",
      h("summary", `My ${counted(one.mine.length, "upload")}`),
      grid(
        `My uploads to ${one.name}`,
        ["uploaded", "rows", "checked by the nodes", "upload", ""],
        one.mine.map((part) => [
          moment(part.committed),
          count(part.rows),
          part.checked ? "yes" : "no",
          h("code", part.upload.slice(0, 8)),
          h("button.quiet", { type: "button", onclick: (event) => withdraw(event.target, part.upload, `the ${counted(part.rows, "row")} of upload ${part.upload.slice(0, 8)}`) }, "Withdraw this one"),
        ]),
        { numbers: [1] },
      ),
    ),
    h(
      "div.row",
      h("button.quiet", { type: "button", onclick: (event) => during(event.target, told, () => showReceipts(told, one.name)) }, "Receipts"),
      h("button.quiet", { type: "button", onclick: (event) => withdraw(event.target, null, `all ${counted(rows, "row")} of yours`) }, "Withdraw all of mine"),
    ),
    told,
  );
}

/** Ask before something that cannot be taken back. */
function confirmed(told, question, button, work) {
  const yes = h("button", { type: "button", onclick: () => during(yes, told, work) }, "Yes, delete them");
  const leave = () => {
    fill(told);
    button.focus();
  };
  const no = h("button.quiet", { type: "button", onclick: leave }, "No");
  const onkeydown = (event) => event.key === "Escape" && leave();
  fill(told, h("div.panel", { role: "alertdialog", "aria-label": "Withdraw", onkeydown }, h("p", question), h("div.row", yes, no)));
  no.focus();
}

async function showReceipts(told, name) {
  const { receipts } = await ask(`owner/datasets/${name}/receipts`);
  if (!receipts.length) {
    fill(told, h("p", { role: "status" }, `No job has touched ${name}.`));
    return;
  }
  fill(
    told,
    grid(
      `Jobs that touched ${name}, newest first`,
      ["asked", "who", "why", "columns", "became plain", "rests on", "told by", "job"],
      receipts.map((one) => [
        moment(one.created),
        one.analyst_name,
        one.purpose,
        one.columns.join(", ") + (one.through.length ? ` (through ${one.through.join(", ")})` : ""),
        one.state === "done" ? `${counted(one.numbers, "number")}, ${counted(one.bits, "bit")}` : `nothing: ${one.state}`,
        one.rests_on.join("; "),
        one.silent.length ? h("b.bad", `NOT by ${one.silent.join(", ")}`) : "all three",
        h("code", one.job.slice(0, 8)),
      ]),
    ),
  );
}
