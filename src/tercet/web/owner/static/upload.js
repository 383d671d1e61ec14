// An upload under way: its progress, a way to stop it, and how to go on.
import { bytes, count, counted, seconds } from "/static/base/amounts.js";
import { announce, ask, fill, h, trouble } from "/static/base/core.js";
import { attend, notFinal } from "/static/people/people.js";

/** Show an upload in `place` until its end; `again` sends the same once more. Gives its last facts. */
export async function followUpload(place, task, refresh, again) {
  const bar = h("progress", { max: 1, "aria-label": `Upload of ${task.name}` });
  const line = h("p", { role: "status" }, "Checking all rows …");
  const stop = h(
    "button.quiet",
    {
      type: "button",
      onclick: () => {
        stop.disabled = true;
        return ask(`tasks/${task.task}/cancel`, { method: "POST" });
      },
    },
    "Stop",
  );
  fill(place, h("div.panel", h("h3", `${task.name} to ${task.dataset}`), line, bar, h("div.row", stop)));
  const end = await attend(task.task, (facts) => {
    if (facts.total) Object.assign(bar, { max: facts.total, value: facts.rows ?? 0 });
    if (facts.phase === "send") {
      const there = facts.resumed ? ` (${counted(facts.resumed, "piece")} there already)` : "";
      line.textContent = `Sending: ${count(facts.rows)} of ${counted(facts.total, "row")}, ${bytes(facts.nbytes)} to three nodes${there}`;
    } else if (facts.phase === "check") line.textContent = `Checking: ${counted(facts.rows, "row")}`;
  });
  const resume = again ? h("div.row", h("button", { type: "button", onclick: again }, "Go on where it stopped")) : h("p", "Drop the same file again to go on where it stopped.");
  if (end.state === "cancelled") {
    announce("Stopped");
    fill(place, h("div.panel", { role: "status" }, h("p", "Stopped. Nothing of it is visible; what the nodes have of it stays for a day, and is not sent again."), resume));
  } else if (end.state === "failed") {
    const outside = ["unreachable", "timeout", "party", "busy"].some((kind) => end.error.error.includes(kind));
    fill(place, trouble(end.error), outside ? resume : null);
  } else if (end.result.sent) {
    const { report } = end.result;
    announce("Uploaded");
    fill(
      place,
      h(
        "div.panel",
        { role: "status" },
        h("p.good", h("strong", `${counted(report.rows, "row")} are visible in ${report.dataset}`), ` (version ${report.version}), ${report.pending.length ? "at the nodes that have signed it" : "at all three nodes"}.`),
        h("p", `${counted(report.values, "value")}, ${bytes(report.nbytes)} sent in ${seconds(report.seconds)}.`, report.dropped ? ` ${counted(report.dropped, "row")} with missing values left out.` : ""),
        notFinal(report.pending),
      ),
    );
    await refresh();
  }
  return end;
}
