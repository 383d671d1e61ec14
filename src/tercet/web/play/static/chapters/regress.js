// Regress: points of three owners, on a plane that people drag or type, and the line or plane that three parties fit.

import { bytes, count, number, seconds } from "/static/base/amounts.js";
import { announce, ask, during, fill, h } from "/static/base/core.js";
import { field, select } from "/static/base/fields.js";
import { grid } from "/static/base/grid.js";
import { said } from "/static/base/texts.js";
import { SERVERS, form, outcome } from "../drawing.js";
import { scales, tilted } from "../plots.js";

const [WIDTH, HEIGHT] = [560, 360];
const STEPS = 50;

/** What the owners begin with: invented, around y = 2 x - 1.5 z + 5. */
const LINE = [
  [[1, 5.2], [2, 9.9], [3, 9.1], [4, 14.6], [5, 13.4], [6, 18.8]],
  [[1.5, 9.6], [2.5, 8.3], [4.5, 15.9], [6.5, 16.2], [7.5, 21.7], [8, 19.5]],
  [[3.5, 13.9], [5.5, 14.2], [7, 20.4], [8.5, 20.6], [9, 24.4], [9.5, 22.8]],
];
const PLANE = [
  [[1, 2, 4.6], [2, 7, -2.1], [3, 1, 9.1], [4, 5, 5.9], [5, 8, 2.6], [6, 3, 13.1]],
  [[1.5, 6, -0.4], [2.5, 2, 7.4], [4.5, 9, 0.9], [6.5, 4, 11.5], [7.5, 1, 18.1], [8, 6, 12.5]],
  [[3.5, 8, 0.3], [5.5, 2, 12.7], [7, 7, 8.1], [8.5, 3, 17.9], [9, 9, 9.2], [9.5, 5, 16.9]],
];

const text = (rows) => rows.map((row) => row.join(", ")).join("\n");
const figure = (value) => number(value, 6);

/** Rows of numbers in a text; a first line that has none is a heading. Throws a text for people. */
function parsed(given, width, owner, texts) {
  const lines = given.split("\n").map((line) => line.trim());
  return lines.flatMap((line, at) => {
    if (!line) return [];
    const row = line.split(/[,;\s]+/).filter(Boolean).map(Number);
    if (row.length === width && row.every(Number.isFinite)) return [row];
    if (at === 0 && row.some(Number.isNaN)) return [];
    throw new Error(said(texts.notRow, { line: at + 1, owner, width }));
  });
}

export const chapter = {
  key: "regress",
  begin(element, texts, done) {
    let width = 2;
    let owners = structuredClone(LINE);
    let fit = null;
    let turn = 35;
    let picked = [0, 0];

    const picture = h("div");
    const caption = h("figcaption");
    const where = h("div");
    const answer = h("div", { "aria-live": "polite" });
    const areas = SERVERS.map((owner, at) => h("textarea.code", { rows: 7, id: `rows-${owner}`, spellcheck: "false", oninput: () => typed(at) }));
    const kind = select([[2, texts.line], [3, texts.plane]], { id: "regress-kind", onchange: () => change(Number(kind.value)) });
    const around = h("input", { id: "regress-turn", type: "range", min: 0, max: 360, value: turn, oninput: () => ((turn = Number(around.value)), draw()) });
    const aroundField = field(texts.turn, around);
    const button = h("button", { onclick: run }, texts.fit);

    function change(to) {
      width = to;
      owners = structuredClone(width === 2 ? LINE : PLANE);
      show();
    }

    function show() {
      for (const [at, area] of areas.entries()) area.value = text(owners[at]);
      forget();
    }

    function forget() {
      fit = null;
      picked = [0, 0];
      fill(answer, h("p.soft", texts.waiting));
      draw();
    }

    function typed(at) {
      fill(where);
      try {
        owners[at] = parsed(areas[at].value, width, at + 1, texts);
        forget();
      } catch (error) {
        fill(where, outcome(false, error.message));
      }
    }

    async function opened(at, file) {
      areas[at].value = await file.text();
      typed(at);
    }

    async function run() {
      const found = await during(button, where, async () => {
        const given = areas.map((area, at) => parsed(area.value, width, at + 1, texts));
        return ask("regress", { body: { owners: given } });
      });
      if (!found) return;
      fit = found.shared.params;
      draw();
      fill(answer, results(found));
      announce(said(texts.announced, { formula: formula() }));
      done();
    }

    const names = () => (width === 2 ? [texts.constant, "x"] : [texts.constant, "x", "z"]);
    const formula = () =>
      `y = ${names().slice(1).map((name, at) => `${figure(fit[at + 1])} ${name}`).join(" + ")} + ${figure(fit[0])}`.replaceAll("+ −", "− ");

    const rowOf = (found) => (name, value) => [name, figure(value(found.shared)), figure(value(found.plain))];

    const results = (found, line = rowOf(found)) => [
      h("p.large", formula()),
      grid(
        texts.table,
        [h("td"), texts.shared, texts.inPlain],
        [
          ...names().flatMap((name, at) => [line(name, (one) => one.params[at]), line(said(texts.error, { name }), (one) => one.bse[at])]),
          line("R²", (one) => one.rsquared),
        ],
        { numbers: [1, 2], heads: true },
      ),
      h("p", said(texts.off, { most: number(most(found), 1) })),
      h(
        "p.say",
        said(texts.cost, {
          rounds: count(found.cost.rounds),
          bytes: bytes(found.cost.bytes_per_party),
          seconds: seconds(found.cost.seconds),
        }),
      ),
      h("p.soft", said(texts.revealed, { revealed: found.revealed })),
    ];
    const most = (found) => Math.max(...found.shared.params.map((one, at) => Math.abs(one - found.plain.params[at])));

    // the picture

    let scale;
    function draw() {
      aroundField.hidden = width === 2;
      fill(caption, width === 2 ? texts.caption : texts.captionPlane);
      scale = scales(owners.flat(), WIDTH, HEIGHT);
      fill(picture, width === 2 ? flat() : tilted(owners, fit, turn, said(texts.picture, { count: owners.flat().length })));
    }

    function flat() {
      const points = owners.flatMap((rows, owner) => rows.map((_, at) => point(owner, at)));
      const line = fit && scale.line(fit);
      const svg = h(
        "svg.plot",
        { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": said(texts.picture, { count: points.length }) },
        scale.grid(),
        line ? h("line.fit", line) : null,
        points,
      );
      return svg;
    }

    function point(owner, at) {
      const isPicked = picked[0] === owner && picked[1] === at;
      const made = h(
        "g.point",
        {
          tabindex: isPicked ? 0 : -1,
          role: "slider",
          "data-arrows": true,
          "aria-valuemin": scale.from[1],
          "aria-valuemax": scale.to[1],
          onkeydown: (event) => key(event, owner, at, made),
          onpointerdown: (event) => drag(event, owner, at, made),
        },
        h("circle", { cx: 8, cy: 8, r: 14, fill: "transparent" }),
        form(owner + 1),
      );
      place(made, owner, at);
      return made;
    }

    function place(made, owner, at) {
      const [x, y] = owners[owner][at];
      const [px, py] = scale.at(x, y);
      made.setAttribute("transform", `translate(${px - 8} ${py - 8})`);
      made.setAttribute("aria-valuenow", y);
      made.setAttribute("aria-valuetext", `x ${figure(x)}, y ${figure(y)}`);
      made.setAttribute("aria-label", said(texts.point, { owner: owner + 1, number: at + 1 }));
    }

    function move(owner, at, made, x, y) {
      const rounded = (value, place) => Number(Math.min(Math.max(value, scale.from[place]), scale.to[place]).toPrecision(3));
      owners[owner][at] = [rounded(x, 0), rounded(y, 1)];
      areas[owner].value = text(owners[owner]);
      place(made, owner, at);
      if (fit) {
        fit = null;
        picture.querySelector(".fit")?.remove();
        fill(answer, h("p.soft", texts.stale));
      }
    }

    function key(event, owner, at, made) {
      const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (by) {
        event.preventDefault();
        const [x, y] = owners[owner][at];
        const step = (place) => (scale.to[place] - scale.from[place]) / STEPS;
        move(owner, at, made, x + by[0] * step(0), y + by[1] * step(1));
      } else if (event.key === " " || event.key === "Enter") {
        event.preventDefault();
        const all = owners.flatMap((rows, one) => rows.map((_, number) => [one, number]));
        picked = all[(all.findIndex(([one, number]) => one === owner && number === at) + 1) % all.length];
        const points = [...picture.querySelectorAll(".point")];
        for (const [place, other] of points.entries()) {
          const chosen = all[place][0] === picked[0] && all[place][1] === picked[1];
          other.setAttribute("tabindex", chosen ? 0 : -1);
          if (chosen) other.focus();
        }
      }
    }

    function drag(event, owner, at, made) {
      event.preventDefault();
      made.setPointerCapture(event.pointerId);
      const follow = ({ clientX, clientY }) => {
        const box = made.ownerSVGElement.getBoundingClientRect();
        move(owner, at, made, ...scale.back(((clientX - box.left) / box.width) * WIDTH, ((clientY - box.top) / box.height) * HEIGHT));
      };
      made.addEventListener("pointermove", follow);
      made.addEventListener("pointerup", () => made.removeEventListener("pointermove", follow), { once: true });
    }

    const owned = (owner, at) =>
      h(
        "section.panel",
        { "aria-label": said(texts.owner, { owner }) },
        h(
          "div.server-head",
          h("svg", { viewBox: "0 0 16 16", width: 18, height: 18, "aria-hidden": "true" }, form(owner)),
          h("h3", said(texts.owner, { owner })),
        ),
        field(texts.rows, areas[at]),
        field(
          texts.file,
          h("input", { id: `file-${owner}`, type: "file", accept: ".csv,.txt,text/csv", onchange: (event) => event.target.files[0] && opened(at, event.target.files[0]) }),
        ),
      );

    fill(
      element,
      h("div.row", field(texts.kind, kind), aroundField, button),
      where,
      h("div.pair.wide-left", h("figure", picture, caption), answer),
      h("h2", texts.ownersTitle),
      h("p", texts.ownersText),
      h("div.three", SERVERS.map(owned)),
    );
    show();
  },
};
