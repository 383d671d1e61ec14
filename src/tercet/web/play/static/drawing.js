// What several chapters draw: numbers, components, servers, bars, the clock, the triangle of messages.
// The colours and the forms of components 1, 2 and 3 are the same everywhere; form tells them apart without colour.

import { count } from "/static/base/amounts.js";
import { h } from "/static/base/core.js";
import { said } from "/static/base/texts.js";

export const SERVERS = [1, 2, 3];
const CLOCK = 1n << 64n;
const nextOf = (server) => (server % 3) + 1;
/** The two components that a server holds. */
export const heldBy = (server) => [server, nextOf(server)];
export const holdersOf = (component) => SERVERS.filter((server) => heldBy(server).includes(component));

/** A whole number as people type it, for the site: signs and groups of digits as these pages write them are taken, too. */
export const typed = (input) => input.value.replace(/[\s,]/g, "").replace("−", "-");

export const brief = (number) => (number.length < 11 ? number : `${number.slice(0, 4)}…${number.slice(-4)}`);

/** On the clock: from 0 to 2^64 - 1. */
export const onClock = (number) => ((BigInt(number) % CLOCK) + CLOCK) % CLOCK;

/** What a number of the clock means: the half before twelve is negative. */
export const signed = (number) => (number >= CLOCK / 2n ? number - CLOCK : number);

const FORMS = {
  1: { circle: { cx: 8, cy: 8, r: 6.5 } },
  2: { rect: { x: 2, y: 2, width: 12, height: 12 } },
  3: { path: { d: "M8 1.5 15 14.5H1z" } },
};

/** The form of a component, 16 units wide, for use within a drawing. */
export function form(component) {
  const [[name, given]] = Object.entries(FORMS[component]);
  return h(`${name}.fill-${component}`, given);
}

export const glyph = (component) =>
  h("svg.glyph", { viewBox: "0 0 16 16", width: 14, height: 14, "aria-hidden": "true" }, form(component));

/** A component with its name, as x₁, and its value. */
export const component = (number, value, name = "x") =>
  h(
    "span.component",
    h(`span.component-name.share-${number}`, glyph(number), name, h("sub", String(number))),
    value === undefined ? null : h("span.number", count(value)),
  );

/** The box of a server. `label`: "Server {number}". */
export const server = (number, label, ...children) =>
  h(
    "section.server-box",
    { "aria-label": said(label, { number }), "data-server": number },
    h(
      "div.server-head",
      h(
        "svg",
        { viewBox: "0 0 24 24", width: 26, height: 26, "aria-hidden": "true" },
        [3, 10, 17].map((y) => [
          h("rect.rack", { x: 2, y, width: 20, height: 5.5, rx: 1.5 }),
          h("circle.lamp", { cx: 18.5, cy: y + 2.75, r: 1.2 }),
        ]),
      ),
      h("h3", said(label, { number })),
      heldBy(number).map(glyph),
    ),
    ...children,
  );

/** Three boxes side by side; `inside(server, [own, next])` gives what stands in each. */
export const servers = (label, held, inside) =>
  h("div.three", SERVERS.map((number) => server(number, label, inside(number, held[number - 1]))));

/** What each server has of one number. */
export const heldComponents = (number, [own, next], name = "x") => [
  component(number, own, name),
  component(nextOf(number), next, name),
];

/** Bars: one for each count, and a line where they would be if all were equal. `text` says it for screen readers. */
export function bars(counts, text, { kind = "", ends = ["0", "2⁶⁴"], even = true } = {}) {
  const width = 320;
  const height = 110;
  const most = Math.max(...counts, 1) * 1.15;
  const step = width / counts.length;
  const level = counts.reduce((sum, one) => sum + one, 0) / counts.length;
  return h(
    "svg.bars",
    { viewBox: `0 0 ${width} ${height + 20}`, role: "img", "aria-label": text },
    counts.map((many, at) =>
      h("rect", {
        class: `bar ${kind}`,
        x: at * step + 1,
        width: Math.max(step - 2, 1),
        y: height - (many / most) * height,
        height: (many / most) * height,
      }),
    ),
    h("line.axis", { x1: 0, x2: width, y1: height, y2: height }),
    even ? h("line.level", { x1: 0, x2: width, y1: height - (level / most) * height, y2: height - (level / most) * height }) : null,
    h("text", { x: 0, y: height + 15 }, ends[0]),
    h("text", { x: width, y: height + 15, "text-anchor": "end" }, ends[1]),
  );
}

/** The clock of 2^64: three arcs behind each other, from twelve o'clock on; where the last one ends is the number. */
export function clock(components, text) {
  const turn = (part) => Number((part * 1_000_000n) / CLOCK) / 1_000_000;
  const at = (angle, radius) => [
    130 + radius * Math.sin(2 * Math.PI * angle),
    130 - radius * Math.cos(2 * Math.PI * angle),
  ];
  let from = 0;
  const arcs = components.map((value, index) => {
    const length = turn(value);
    const radius = 100 - index * 20;
    const [x1, y1] = at(from, radius);
    const [x2, y2] = at(from + length, radius);
    const [x3, y3] = at(from + length, radius - 20);
    const [gx, gy] = at(from + length / 2, radius);
    const path = `M${x1} ${y1}A${radius} ${radius} 0 ${length > 0.5 ? 1 : 0} 1 ${x2} ${y2}`;
    from += length;
    return [
      h(`path.arc.stroke-${index + 1}`, { d: path }),
      index < 2 ? h("path.link", { d: `M${x2} ${y2}L${x3} ${y3}` }) : null,
      h("g", { transform: `translate(${gx - 9} ${gy - 9}) scale(1.13)` }, h("circle.halo", { cx: 8, cy: 8, r: 11 }), form(index + 1)),
    ];
  });
  const [hx, hy] = at(from, 60);
  return h(
    "svg.clock",
    { viewBox: "0 0 260 260", role: "img", "aria-label": text },
    h("circle.face", { cx: 130, cy: 130, r: 120 }),
    Array.from({ length: 16 }, (_, tick) => {
      const [x1, y1] = at(tick / 16, 120);
      const [x2, y2] = at(tick / 16, tick % 4 ? 115 : 110);
      return h("path.tick", { d: `M${x1} ${y1}L${x2} ${y2}` });
    }),
    arcs,
    h("path.hand", { d: `M130 130L${hx} ${hy}` }),
    h("circle.hand-end", { cx: hx, cy: hy, r: 6 }),
    h("circle.hand-end", { cx: 130, cy: 130, r: 3 }),
  );
}

const CORNERS = { 1: [160, 46], 2: [272, 226], 3: [48, 226] };

/** Three servers and the messages between them; `messages`: from, to, value. */
export function triangle(messages, text, label) {
  const node = (number) => {
    const [x, y] = CORNERS[number];
    return h(
      "g",
      h("rect.node", { x: x - 42, y: y - 24, width: 84, height: 48, rx: 8 }),
      h("text.node-name", { x, y: y - 3, "text-anchor": "middle" }, said(label, { number })),
      heldBy(number).map((one, at) => h("g", { transform: `translate(${x - 18 + at * 20} ${y + 4})` }, form(one))),
    );
  };
  const line = (message, order) => {
    const [x1, y1] = CORNERS[message.from];
    const [x2, y2] = CORNERS[message.to];
    const length = Math.hypot(x2 - x1, y2 - y1);
    // two that go opposite ways stand beside each other
    const [sx, sy] = [(-(y2 - y1) / length) * 10, ((x2 - x1) / length) * 10];
    const point = (part) => [x1 + (x2 - x1) * part + sx, y1 + (y2 - y1) * part + sy];
    const [[ax, ay], [bx, by], [mx, my]] = [point(0.25), point(0.74), point(0.5)];
    // the value stands on the outer side of its own line
    const beside = Math.abs(sx) < 3 ? ["middle", 0, sy > 0 ? 18 : -9] : sx > 0 ? ["start", 9, 4] : ["end", -9, 4];
    const dot = h("circle.flying", { cx: 0, cy: 0, r: 7 });
    for (const [name, value] of Object.entries({ "--ax": ax, "--ay": ay, "--bx": bx, "--by": by }))
      dot.style.setProperty(name, `${value}px`);
    dot.style.setProperty("animation-delay", `${order * 0.25}s`);
    return [
      h("path.message", { d: `M${ax} ${ay}L${bx} ${by}`, "marker-end": "url(#arrowhead)" }),
      h("text.message-value", { x: mx + beside[1], y: my + beside[2], "text-anchor": beside[0] }, brief(message.value)),
      dot,
    ];
  };
  const drawn = messages.map(line);
  return h(
    "svg.triangle",
    { viewBox: "0 0 320 260", role: "img", "aria-label": text },
    h(
      "defs",
      h("marker", { id: "arrowhead", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" }, h("path.arrow", { d: "M0 0L8 4L0 8z" })),
    ),
    // all lines first: none goes through the value of another
    drawn.map(([path]) => path),
    SERVERS.map(node),
    drawn.map(([, value, dot]) => [value, dot]),
  );
}

/** What came out, large. */
export const outcome = (good, ...children) =>
  h(`p.outcome.${good ? "good" : "wrong"}`, h("span", { "aria-hidden": "true" }, good ? "✓ " : "✗ "), ...children);
