// An answer as a table and as the chart that suits it.
import { bytes, counted, seconds, short } from "/static/base/amounts.js";
import { chart, fitted } from "/static/base/chart.js";
import { h } from "/static/base/core.js";
import { dataTable } from "/static/base/table.js";

/** Which chart suits an answer; null where a table says all. */
function chartOf(answer, what) {
  const { kind, names, rows } = answer;
  if (kind === "histogram") {
    const counts = rows.map((row) => (row[2].hidden ? null : row[2].number));
    const edges = [...rows.map((row) => row[0].number), rows[rows.length - 1][1].number];
    const most = counts.indexOf(Math.max(...counts.map((count) => count ?? 0)));
    return { kind: "histogram", title: what, edges, counts, label: what, name: "histogram", says: `Histogram of ${rows.length} bins; most rows, ${short(counts[most] ?? 0)}, are between ${short(edges[most])} and ${short(edges[most + 1])}.` };
  }
  if (kind === "regression") {
    const shown = rows.filter((row) => row[0].text !== "const" && [1, 5, 6].every((at) => typeof row[at].number === "number"));
    if (!shown.length) return null;
    const lines = shown.map((row) => ({ name: row[0].text, value: row[1].number, low: row[5].number, high: row[6].number }));
    const away = lines.filter((line) => line.low > 0 || line.high < 0).map((line) => line.name);
    return { kind: "forest", title: "Coefficients, with intervals of 95 %", rows: lines, name: "coefficients", says: `Coefficients with intervals of 95 %. Away from 0: ${away.join(", ") || "none"}.` };
  }
  const numeric = names.map((_, at) => rows.some((row) => typeof row[at].number === "number"));
  const values = names.map((_, at) => at).filter((at) => numeric[at]);
  const labels = names.map((_, at) => at).filter((at) => !numeric[at]);
  if (rows.length < 2 || rows.length > 200 || !values.length) return null;
  const label = (row) => labels.map((at) => row[at].text).join(", ");
  const means = values.filter((at) => !/^count|^rows$/i.test(names[at]));
  if (!labels.length && values.length >= 2) return scatter(rows, names, values, label);
  if (means.length >= 2 && rows.length >= 4) return scatter(rows, names, means, label);
  const drawn = (means.length ? means : values).slice(0, 4);
  const series = drawn.map((at) => ({ name: names[at], values: rows.map((row) => row[at].number ?? null) }));
  const title = `${drawn.map((at) => names[at]).join(", ")} by ${labels.map((at) => names[at]).join(", ")}`;
  return { kind: "bars", title, labels: rows.map(label), series, name: "answer", says: `Bars of ${drawn.map((at) => names[at]).join(" and ")} for ${rows.length} groups.` };
}

function scatter(rows, names, [across, up], label) {
  const points = rows
    .filter((row) => typeof row[across].number === "number" && typeof row[up].number === "number")
    .map((row) => ({ x: row[across].number, y: row[up].number, label: label(row) }));
  if (points.length < 2) return null;
  const line = fitted(points);
  const says = line ? ` The line through them rises by ${short(line.slope)} for each 1.` : "";
  return { kind: "points", title: `${names[up]} and ${names[across]}`, points, line, x: names[across], y: names[up], name: "answer", says: `${points.length} groups by ${names[across]} and ${names[up]}.${says}` };
}

/** The elements that show an answer. */
export function shown(answer, cost, what) {
  const drawn = chartOf(answer, what);
  const facts = Object.entries(answer.facts);
  return [
    answer.note ? h("p.soft", answer.note) : null,
    facts.length ? h("dl.facts", facts.map(([name, value]) => [h("dt", name), h("dd", value)])) : null,
    dataTable("Answer", answer.names, answer.rows, "answer"),
    drawn ? chart(drawn) : null,
    answer.revealed ? h("p.soft", `Became plain: ${answer.revealed}`) : null,
    cost ? h("p.soft", `${counted(cost.rounds, "round")}, ${bytes(cost.bytes_per_party)} sent by each node, ${seconds(cost.seconds)}; job ${cost.job.slice(0, 8)}`) : null,
  ];
}
