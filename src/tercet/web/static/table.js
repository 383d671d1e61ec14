// A table of many rows: only those in view are elements, and its columns sort. Each cell is { text, number?, hidden? }.
import { announce, download, fill, h } from "./core.js";
import { grid } from "./grid.js";

const ROW = 34;
const MOST = 300;
const MARGIN = 15;

function compared(a, b) {
  if (a.hidden !== b.hidden) return a.hidden ? 1 : -1;
  if (typeof a.number === "number" && typeof b.number === "number") return a.number - b.number;
  return a.text.localeCompare(b.text, undefined, { numeric: true });
}

/** Text of a CSV file; what begins like a formula gets an apostrophe, so that no spreadsheet runs it. */
function csv(titles, rows) {
  const field = (cell) => {
    const plain = typeof cell === "string" ? cell : cell.hidden ? "" : cell.text;
    const safe = typeof cell === "object" && typeof cell.number === "number" ? plain : plain.replace(/^([=+\-@\t\r])/, "'$1");
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [titles, ...rows].map((row) => row.map(field).join(",")).join("\r\n") + "\r\n";
}

/** The element of a table: `titles`, rows of cells, a caption that names it, and `name` for its file. */
export function dataTable(caption, titles, rows, name) {
  const right = titles.map((_, place) => rows.some((row) => typeof row[place].number === "number"));
  let order = rows, sorted = null, down = false;
  const many = rows.length > MOST;

  const line = (row, place) =>
    h(
      "tr",
      { "aria-rowindex": place + 2 },
      row.map((cell, at) => h(right[at] ? "td.number" : "td", cell.hidden ? h("span.soft", cell.text) : cell.text)),
    );
  const gap = (height) => h("tr", { "aria-hidden": "true" }, h("td.gap", { colspan: titles.length, style: { height: `${height}px` } }));
  const draw = () => {
    if (!many) return fill(body, order.map(line));
    const from = Math.max(0, Math.floor(box.scrollTop / ROW) - MARGIN);
    const to = Math.min(order.length, from + Math.ceil((box.clientHeight || 480) / ROW) + 2 * MARGIN);
    return fill(body, gap(from * ROW), order.slice(from, to).map((row, at) => line(row, from + at)), gap((order.length - to) * ROW));
  };
  const heads = titles.map((title, place) =>
    h(
      right[place] ? "th.number" : "th",
      { scope: "col", "aria-sort": "none" },
      h("button.head", { type: "button", onclick: () => sort(place) }, title),
    ),
  );
  function sort(place) {
    down = sorted === place && !down;
    sorted = place;
    order = [...rows].sort((a, b) => (down ? compared(b[place], a[place]) : compared(a[place], b[place])));
    heads.forEach((head, at) => head.setAttribute("aria-sort", at === place ? (down ? "descending" : "ascending") : "none"));
    announce(`Sorted by ${titles[place]}, ${down ? "greatest" : "least"} first`);
    box.scrollTop = 0;
    draw();
  }
  const box = grid(caption, heads, []);
  const body = box.querySelector("tbody");
  box.classList.toggle("many", many);
  box.querySelector("table").setAttribute("aria-rowcount", rows.length + 1);
  let waiting = false;
  box.addEventListener("scroll", () => {
    if (!many || waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  });
  draw();
  return h(
    "div",
    box,
    h("button.quiet", { type: "button", onclick: () => download(`${name}.csv`, csv(titles, order), "text/csv") }, "Save as CSV"),
  );
}
