// Charts as SVG: bars, histogram, points with a line, a forest of coefficients. Each is drawn for its own width, says in
// one sentence what it shows, and can be saved. What it shows stands in a table beside it, made by who calls.
import { short } from "./amounts.js";
import { scale, ticks } from "./axes.js";
import { download, fill, h } from "./core.js";

const LIGHT = { ground: "#ffffff", text: "#16202a", soft: "#4a5763", line: "#c3cad2", marks: ["#0b5c96", "#a34a00", "#00664a", "#7a3560"] };
const FONT = 'system-ui, "DejaVu Sans", sans-serif';

/** On the screen colours are those of the page, light or dark; what is saved has colours of its own. */
const SCREEN = {
  ...Object.fromEntries(["ground", "text", "soft", "line"].map((name) => [name, `var(--${name})`])),
  marks: ["one", "two", "three", "plain"].map((name) => `var(--${name})`),
};

/** Words at a place; they stay readable where a line goes behind them. */
const text = (colours, x, y, words, anchor = "middle", size = 13, soft = false) =>
  h("text", { x, y, "text-anchor": anchor, style: { "font-size": `${size}px`, "font-family": FONT, fill: soft ? colours.soft : colours.text, stroke: colours.ground, "stroke-width": "4px", "paint-order": "stroke" } }, words);

function cut(words, room) {
  const most = Math.max(3, Math.floor(room / 7));
  return words.length > most ? `${words.slice(0, most - 1)}…` : words;
}

function frame(width, height, colours, body) {
  return h(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, width, height, xmlns: "http://www.w3.org/2000/svg", "aria-hidden": "true" },
    h("rect", { width, height, fill: colours.ground }),
    body,
  );
}

/** The vertical axis of numbers: lines across, and their labels. */
function ruled(colours, marks, y, left, right) {
  return marks.map((mark) => [
    h("line", { x1: left, x2: right, y1: y(mark), y2: y(mark), stroke: colours.line, "stroke-width": 1 }),
    text(colours, left - 6, y(mark) + 4, short(mark), "end", 12, true),
  ]);
}

const span = (values) => [Math.min(0, ...values), Math.max(0, ...values)];

function bars({ labels, series, title }, width, colours) {
  const flat = labels.length > 12 || width < 480;
  const values = series.flatMap((one) => one.values).filter((value) => value !== null);
  const [low, high] = span(values.length ? values : [1]);
  if (flat) return flatBars({ labels, series, title }, width, colours, low, high);
  const height = 320, left = 60, right = width - 12, top = 34, bottom = height - 44;
  const y = scale(low, high, bottom, top), group = (right - left) / labels.length, each = (group * 0.8) / series.length;
  const body = labels.map((label, place) => [
    series.map((one, number) => {
      const value = one.values[place];
      if (value === null) return text(colours, left + group * place + group * 0.1 + each * (number + 0.5), y(0) - 6, "not shown", "middle", 11, true);
      const x = left + group * place + group * 0.1 + each * number;
      return [
        h("rect", { x, width: Math.max(1, each - 2), y: Math.min(y(value), y(0)), height: Math.max(1, Math.abs(y(value) - y(0))), fill: colours.marks[number % 4] }),
        each > 34 ? text(colours, x + each / 2, Math.min(y(value), y(0)) - 5, short(value), "middle", 12) : null,
      ];
    }),
    text(colours, left + group * (place + 0.5), bottom + 18, cut(label, group)),
  ]);
  return frame(width, height, colours, [ruled(colours, ticks(low, high), y, left, right), body, legend(series, colours, left, width)]);
}

function flatBars({ labels, series }, width, colours, low, high) {
  const each = 18, group = each * series.length + 24, top = 34;
  const height = top + labels.length * group + 10, left = 12, right = width - 70;
  const x = scale(low, high, left, right);
  const body = labels.map((label, place) => [
    text(colours, left, top + place * group + 12, cut(label, width - 24), "start"),
    series.map((one, number) => {
      const value = one.values[place], y = top + place * group + 18 + each * number;
      if (value === null) return text(colours, left, y + 13, "not shown", "start", 12, true);
      return [
        h("rect", { x: Math.min(x(value), x(0)), y, height: each - 3, width: Math.max(1, Math.abs(x(value) - x(0))), fill: colours.marks[number % 4] }),
        text(colours, Math.max(x(value), x(0)) + 5, y + 12, short(value), "start", 12),
      ];
    }),
  ]);
  return frame(width, height, colours, [body, legend(series, colours, left, width)]);
}

function legend(series, colours, left, width) {
  if (series.length < 2) return text(colours, left, 18, cut(series[0].name, width - left - 12), "start");
  const room = (width - left - 12) / series.length;
  return series.map((one, number) => [
    h("rect", { x: left + room * number, y: 8, width: 12, height: 12, fill: colours.marks[number % 4] }),
    text(colours, left + room * number + 17, 18, cut(one.name, room - 24), "start"),
  ]);
}

function histogram({ edges, counts, label }, width, colours) {
  const height = 320, left = 60, right = width - 12, top = 20, bottom = height - 52;
  const [, high] = span(counts.filter((count) => count !== null));
  const x = scale(edges[0], edges[edges.length - 1], left, right), y = scale(0, high || 1, bottom, top);
  const body = counts.map((count, place) =>
    count === null
      ? h("rect", { x: x(edges[place]), width: Math.max(1, x(edges[place + 1]) - x(edges[place]) - 1), y: bottom - 8, height: 8, fill: "none", stroke: colours.soft, "stroke-dasharray": "3 2" })
      : h("rect", { x: x(edges[place]), width: Math.max(1, x(edges[place + 1]) - x(edges[place]) - 1), y: y(count), height: Math.max(0, bottom - y(count)), fill: colours.marks[0] }),
  );
  const marks = ticks(edges[0], edges[edges.length - 1], Math.max(2, Math.floor(width / 80)));
  return frame(width, height, colours, [
    ruled(colours, ticks(0, high || 1), y, left, right),
    body,
    marks.map((mark) => text(colours, x(mark), bottom + 18, short(mark), "middle", 12, true)),
    text(colours, (left + right) / 2, height - 10, cut(label, right - left)),
  ]);
}

/** Least squares of points on a screen, for their line. */
export function fitted(points) {
  const n = points.length, mx = points.reduce((s, p) => s + p.x, 0) / n, my = points.reduce((s, p) => s + p.y, 0) / n;
  const sxx = points.reduce((s, p) => s + (p.x - mx) ** 2, 0);
  if (n < 2 || sxx === 0) return null;
  const slope = points.reduce((s, p) => s + (p.x - mx) * (p.y - my), 0) / sxx;
  return { slope, constant: my - slope * mx };
}

function points({ points: all, x: across, y: up, line }, width, colours) {
  const height = 360, left = 60, right = width - 16, top = 20, bottom = height - 52;
  const grown = (values) => {
    const low = Math.min(...values), high = Math.max(...values), room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
    return [low - room, high + room];
  };
  const [x0, x1] = grown(all.map((p) => p.x)), [y0, y1] = grown(all.map((p) => p.y));
  const x = scale(x0, x1, left, right), y = scale(y0, y1, bottom, top);
  const inside = (value) => Math.min(bottom, Math.max(top, y(value)));
  return frame(width, height, colours, [
    ruled(colours, ticks(y0, y1), y, left, right),
    ticks(x0, x1, Math.max(2, Math.floor(width / 80))).map((mark) => text(colours, x(mark), bottom + 18, short(mark), "middle", 12, true)),
    line ? h("line", { x1: x(x0), x2: x(x1), y1: inside(line.constant + line.slope * x0), y2: inside(line.constant + line.slope * x1), stroke: colours.marks[1], "stroke-width": 2 }) : null,
    all.map((p) => [
      h("circle", { cx: x(p.x), cy: y(p.y), r: 5, fill: colours.marks[0] }),
      p.label && all.length <= 30 ? text(colours, Math.min(x(p.x), right - 30), y(p.y) - 9, cut(p.label, 110), "middle", 12) : null,
    ]),
    text(colours, (left + right) / 2, height - 10, cut(across, right - left)),
    text(colours, left, 14, cut(up, width - left), "start"),
  ]);
}

function forest({ rows }, width, colours) {
  const each = 44, top = 10, bottom = top + rows.length * each, height = bottom + 30, left = 16, right = width - 16;
  const ends = rows.flatMap((row) => [row.low, row.high]);
  const [low, high] = span(ends);
  const room = (high - low) * 0.04 || 1, x = scale(low - room, high + room, left, right);
  return frame(width, height, colours, [
    h("line", { x1: x(0), x2: x(0), y1: top, y2: bottom, stroke: colours.soft, "stroke-dasharray": "4 3" }),
    rows.map((row, place) => {
      const y = top + place * each + 30;
      return [
        text(colours, left, y - 13, cut(`${row.name}: ${short(row.value)} (${short(row.low)} to ${short(row.high)})`, width - 32), "start"),
        h("line", { x1: x(row.low), x2: x(row.high), y1: y, y2: y, stroke: colours.marks[0], "stroke-width": 3 }),
        h("rect", { x: x(row.value) - 5, y: y - 5, width: 10, height: 10, fill: colours.marks[0] }),
      ];
    }),
    ticks(low - room, high + room, Math.max(2, Math.floor(width / 80))).map((mark) => text(colours, x(mark), bottom + 20, short(mark), "middle", 12, true)),
  ]);
}

const KINDS = { bars, histogram, points, forest };

/**
 * A figure: { kind: "bars" | "histogram" | "points" | "forest", title, says, name, ... }. `says` is the sentence for
 * screen readers, `name` that of files. It is drawn again when its width changes.
 */
export function chart(given) {
  const place = h("div.drawn", { role: "img", "aria-label": given.says });
  let width = 0;
  const redraw = () => {
    const now = Math.max(280, Math.min(760, Math.floor(place.clientWidth)));
    if (place.clientWidth && now !== width) {
      width = now;
      fill(place, KINDS[given.kind](given, width, SCREEN));
    }
  };
  new ResizeObserver(redraw).observe(place);
  const whole = () => KINDS[given.kind](given, 760, LIGHT);
  const written = () => new XMLSerializer().serializeToString(whole());
  return h(
    "figure.chart",
    h("figcaption", given.title),
    place,
    h(
      "div.row",
      h("button.quiet", { type: "button", onclick: () => download(`${given.name}.svg`, written(), "image/svg+xml") }, "Save as SVG"),
      h("button.quiet", { type: "button", onclick: () => savePng(given.name, written(), whole()) }, "Save as PNG"),
    ),
  );
}

function savePng(name, source, drawn) {
  const [, , width, height] = drawn.getAttribute("viewBox").split(" ").map(Number);
  const image = new Image();
  const url = URL.createObjectURL(new Blob([source], { type: "image/svg+xml" }));
  image.onload = () => {
    const canvas = h("canvas", { width: 2 * width, height: 2 * height });
    canvas.getContext("2d").drawImage(image, 0, 0, 2 * width, 2 * height);
    URL.revokeObjectURL(url);
    canvas.toBlob((blob) => download(`${name}.png`, blob, "image/png"));
  };
  image.src = url;
}
