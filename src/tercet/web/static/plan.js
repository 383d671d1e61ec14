// Pictures of plans: what `explain()` says before anything runs (JSON of picture.py), and which messages were sent.
// Each picture is an SVG drawn for its own width, with a sentence for screen readers and all of it as a table beside.

import { bytes, count, number, seconds } from "./amounts.js";
import { fill, h } from "./core.js";
import { grid } from "./grid.js";
import { said } from "./texts.js";

/** English; a page may give others. {…} is filled in. */
const WORDS = {
  stored: "Three servers hold this, as shares",
  one_round: "Round {first}",
  rounds: "Rounds {first} to {last}",
  no_round: "No message",
  each: "{bytes} from each",
  silent: "without a message: ",
  more: "{count} more",
  passes: "{count} passes of",
  plain: "Becomes plain, to the analyst",
  nothing_plain: "Nothing becomes plain",
  times: "{count} times",
  bool: "yes or no",
  int: "a whole number from {low} to {high}",
  fixed: "a number from {low} to {high}",
  permutation: "an order",
  arrays: "{count} arrays",
  values: "{count} values, each {what}",
  summary: "{rounds} rounds, {bytes} from each server. {plain}.",
  seconds: "On the wire: {lan} in one building, {wan} across a country, {continents} between continents, without computing.",
  memory: "Memory of a server: about {bytes}.",
  rests: "Rests on",
  nodes: "What the nodes say",
  verdict: "{node}: {verdict}{rule}",
  as_table: "The same as a table",
  head: ["Rounds", "With messages", "Without a message", "Bytes from each server"],
  server: "Server {number}",
  messages_head: ["From", "To", "Messages", "Bytes"],
  messages: "{count} messages with {bytes} in all, between three servers.",
  client: "you",
  operations: {
    and: "and",
    bound: "take bounds over",
    broadcast: "repeat",
    clip: "draw in to limits",
    contract: "sum of products",
    convolve: "convolution",
    convolve_public: "convolution with public numbers",
    divide_whole: "whole quotient",
    inject: "bits to numbers",
    is_zero: "equal to 0",
    less: "less than",
    lift: "widen the ring",
    loop: "loop",
    matmul: "matrix product",
    matmul_narrow: "narrow matrix product",
    matmul_public: "matrix product with public numbers",
    move: "move by a secret order",
    multiply: "product",
    multiply_within: "product within bounds",
    negative: "below 0",
    normalise: "scale to its leading bit",
    number: "bits as a number",
    piecewise: "polynomials by pieces",
    quotient: "quotient",
    reduce_ring: "narrow the ring",
    rename: "read at another scale",
    rescale: "round",
    scale: "times a public number",
    select: "choose one of two",
    shift_left: "times a power of 2",
    sums_up_to: "sums up to each",
    windows: "windows over axes",
    xor: "either, or",
  },
};

const FONT = '13px system-ui, "DejaVu Sans", sans-serif';
const LINE = 18;
const PAD = 12;
const SHARES = ["var(--one)", "var(--two)", "var(--three)"];

const operation = (name, words) => words.operations[name] ?? name.replaceAll("_", " ");
const shape = (sizes) => (sizes.length ? ` (${sizes.map(count).join(" × ")})` : "");

function step(one, words) {
  const what = one.inside.length
    ? `${said(words.passes, { count: count(one.passes) })} ${one.inside.map((name) => operation(name, words)).join(", ")}`
    : operation(one.name, words);
  return `${what}${shape(one.shape)}${one.count > 1 ? ` × ${count(one.count)}` : ""}`;
}

const steps = (found, more, words) => [
  ...found.map((one) => step(one, words)),
  ...(more ? [said(words.more, { count: count(more) })] : []),
];

function values(one, words) {
  const limits = { low: number(one.low), high: number(one.high) };
  const kind = said(words[one.kind], limits);
  const size = one.shape.reduce((product, each) => product * each, 1);
  const what = size > 1 ? said(words.values, { count: count(size), what: kind }) : kind;
  return `${one.name ? `${one.name}: ` : ""}${what}${one.count > 1 ? `, ${said(words.times, { count: count(one.count) })}` : ""}`;
}

const rounds = (stage, words) =>
  !stage.talking.length
    ? words.no_round
    : said(stage.first === stage.last ? words.one_round : words.rounds, stage);

/** The picture as an element: the drawing, what it costs in sentences, and a table. `words`: in place of English. */
export function drawPlan(picture, words = WORDS) {
  const plain = picture.reveals.length
    ? `${words.plain}: ${picture.reveals.map((one) => values(one, words)).join("; ")}`
    : words.nothing_plain;
  const facts = { rounds: count(picture.rounds), bytes: bytes(picture.bytes_per_party), plain };
  const summary = said(words.summary, facts);
  const wire = Object.fromEntries(Object.entries(picture.seconds).map(([name, time]) => [name, seconds(time)]));
  return h(
    "div.plan",
    drawn((width) => planSvg(picture, width, summary, words)),
    h("p", summary),
    h("p.soft", said(words.seconds, wire), " ", said(words.memory, { bytes: bytes(picture.memory_bytes) })),
    picture.bounds.map((bound) => h("p.soft", `${words.rests} ${bound}.`)),
    picture.decisions.length
      ? [
          h("h3", words.nodes),
          h(
            "ul",
            picture.decisions.map(({ node, verdict, rule, because }) =>
              h(
                "li",
                said(words.verdict, { node, verdict, rule: rule ? ` (${rule})` : "" }),
                verdict === "accepted" ? null : `: ${because}`,
              ),
            ),
          ),
        ]
      : null,
    h(
      "details",
      h("summary", words.as_table),
      grid(
        words.as_table,
        words.head,
        picture.stages.map((stage) => [
          rounds(stage, words),
          steps(stage.talking, stage.talking_more, words).join(", "),
          steps(stage.silent, stage.silent_more, words).join(", "),
          count(stage.bytes_per_party),
        ]),
        { numbers: [3], named: false },
      ),
    ),
  );
}

/** Messages that were sent as an element: `messages` is a list of {from, to, count, bytes}; servers are 1 to 3. */
export function drawMessages(messages, words = WORDS) {
  const between = messages.filter(({ from, to }) => from && to);
  const total = between.reduce((sum, one) => sum + one.bytes, 0);
  const sent = between.reduce((sum, one) => sum + one.count, 0);
  const summary = said(words.messages, { count: count(sent), bytes: bytes(total) });
  const name = (server) => (server ? said(words.server, { number: server }) : words.client);
  return h(
    "div.plan",
    drawn((width) => messagesSvg(between, Math.min(width, 460), summary)),
    h("p", summary),
    h(
      "details",
      h("summary", words.as_table),
      grid(
        words.as_table,
        words.messages_head,
        messages.map((one) => [
          name(one.from),
          name(one.to),
          count(one.count),
          count(one.bytes),
        ]),
        { numbers: [2, 3], named: false },
      ),
    ),
  );
}

/** What is drawn anew whenever the width that is there for it changes. */
function drawn(draw) {
  const place = h("div");
  let width = 0;
  new ResizeObserver(([{ contentRect }]) => {
    const next = Math.max(240, Math.floor(contentRect.width));
    if (next !== width) fill(place, draw((width = next)));
  }).observe(place);
  return place;
}

const ink = document.createElement("canvas").getContext("2d");

/** Lines of a text that fit a width, broken between words. */
function wrapped(text, width) {
  ink.font = FONT;
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && ink.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

function lines(found, x, y, style = {}) {
  return found.map((line, at) => h("text", { x, y: y + at * LINE, style }, line));
}

/** A box with a heading and lines; gives its parts and its height. */
function box(x, y, width, heading, body, { stroke, soft = [], room = 0, least = 0 }) {
  const inner = width - 2 * PAD - room;
  const head = wrapped(heading, inner);
  const text = body.flatMap((line) => wrapped(line, inner));
  const quiet = soft.flatMap((line) => wrapped(line, inner));
  const height = Math.max(least, (head.length + text.length + quiet.length) * LINE + 2 * PAD - 4);
  let at = y + PAD + 10;
  const parts = [h("rect", { x, y, width, height, rx: 8, style: { fill: "var(--panel)", stroke, "stroke-width": "2" } })];
  parts.push(lines(head, x + PAD, at, { "font-weight": "700" }));
  parts.push(lines(text, x + PAD, (at += head.length * LINE)));
  parts.push(lines(quiet, x + PAD, (at += text.length * LINE), { fill: "var(--soft)" }));
  return { parts, height };
}

function planSvg(picture, full, label, words) {
  const width = Math.min(full, 720) - 4;
  const parts = [];
  let y = 4;
  const put = ({ parts: made, height }) => {
    parts.push(made);
    y += height;
  };
  const arrow = (colours) => {
    const middle = 2 + width / 2;
    parts.push(
      colours.map((stroke, at) => {
        const x = middle + (at - (colours.length - 1) / 2) * 12;
        return h("path", { d: `M${x} ${y + 2}V${y + 20}m-4 -5l4 5l4 -5`, style: { stroke, fill: "none", "stroke-width": "2" } });
      }),
    );
    y += 24;
  };
  put(box(2, y, width, words.stored, picture.inputs.map((one) => values(one, words)), { stroke: "var(--soft)" }));
  for (const stage of picture.stages) {
    arrow(SHARES);
    const talks = stage.talking.length > 0;
    const quiet = steps(stage.silent, stage.silent_more, words);
    const top = y;
    put(
      box(2, y, width, rounds(stage, words), steps(stage.talking, stage.talking_more, words), {
        stroke: talks ? "var(--main)" : "var(--line)",
        soft: quiet.length ? [`${talks ? words.silent : ""}${quiet.join(", ")}`] : [],
        room: talks ? 112 : 0,
        least: talks ? 96 : 0,
      }),
    );
    if (talks) parts.push(trio(width - 58, top + 46, said(words.each, { bytes: bytes(stage.bytes_per_party) })));
  }
  arrow(["var(--plain)"]);
  const shown = picture.reveals.map((one) => values(one, words));
  put(box(2, y, width, shown.length ? words.plain : words.nothing_plain, shown, { stroke: "var(--plain)" }));
  return svg(width + 4, y + 4, label, parts);
}

const svg = (width, height, label, parts) =>
  h("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label }, parts);

/** Three servers that send each other messages, small, around a point. */
function trio(x, y, note) {
  const places = [
    [x, y - 26],
    [x + 30, y + 16],
    [x - 30, y + 16],
  ];
  return [
    h("path", {
      d: `M${places[0]}L${places[1]}L${places[2]}Z`,
      style: { stroke: "var(--soft)", fill: "none", "stroke-width": "2", "stroke-dasharray": "4 3" },
    }),
    places.flatMap(([cx, cy], at) => server(cx, cy, 10, at)),
    h("text", { x, y: y + 42, "text-anchor": "middle", style: { fill: "var(--soft)", "font-size": "11px" } }, note),
  ];
}

function server(cx, cy, r, at) {
  return [
    h("circle", { cx, cy, r, style: { fill: "var(--ground)", stroke: SHARES[at], "stroke-width": "2.5" } }),
    h("text", { x: cx, y: cy + 4.5, "text-anchor": "middle", style: { fill: SHARES[at], "font-weight": "700" } }, `${at + 1}`),
  ];
}

function messagesSvg(between, width, label) {
  const height = Math.round(width * 0.72);
  const places = [
    [width / 2, 34],
    [width - 44, height - 34],
    [44, height - 34],
  ];
  const most = Math.max(1, ...between.map((one) => one.bytes));
  const parts = between.map(({ from, to, bytes: sent }) => {
    const [a, b] = [places[from - 1], places[to - 1]];
    const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
    const [ux, uy] = [(b[0] - a[0]) / length, (b[1] - a[1]) / length];
    const side = 9;
    const at = (along, off) => [a[0] + ux * along - uy * off, a[1] + uy * along + ux * off];
    const [start, end] = [at(26, side), at(length - 30, side)];
    const [left, right] = [at(length - 38, side + 5), at(length - 38, side - 5)];
    const [x, y] = at(length * 0.36, side + 15);
    return [
      h("path", {
        d: `M${start}L${end}M${left}L${end}L${right}`,
        style: { stroke: SHARES[from - 1], fill: "none", "stroke-width": `${1.5 + (4 * sent) / most}` },
      }),
      h("text", { x, y: y + 4, "text-anchor": "middle", style: { fill: SHARES[from - 1], "font-size": "12px" } }, bytes(sent)),
    ];
  });
  return svg(width, height, label, [parts, places.flatMap(([x, y], at) => server(x, y, 20, at))]);
}
