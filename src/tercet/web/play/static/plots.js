// Axes of a plot of points, and a plane seen from aside.

import { short } from "/static/base/amounts.js";
import { scale, ticks } from "/static/base/axes.js";
import { h } from "/static/base/core.js";
import { form } from "./drawing.js";

const [LEFT, BOTTOM, ROOM] = [46, 30, 16];

/** From data to the picture and back; `points` end with y. The window is a little larger than what they span. */
export function scales(points, width, height) {
  const span = (values) => {
    const [least, most] = values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
    const margin = (most - least || Math.abs(most) || 1) * 0.12;
    return [least - margin, most + margin];
  };
  const ranges = [span(points.map((one) => one[0])), span(points.map((one) => one[one.length - 1]))];
  const [from, to] = [ranges.map(([least]) => least), ranges.map(([, most]) => most)];
  const [across, up] = [[LEFT, width - ROOM], [height - BOTTOM, ROOM]];
  const [toX, toY] = [scale(from[0], to[0], ...across), scale(from[1], to[1], ...up)];
  const [backX, backY] = [scale(...across, from[0], to[0]), scale(...up, from[1], to[1])];
  const at = (x, y) => [toX(x), toY(y)];
  const back = (px, py) => [backX(px), backY(py)];
  const grid = () => [
    ticks(from[0], to[0]).map((x) => {
      const [px] = at(x, from[1]);
      return [
        h("line.grid", { x1: px, x2: px, y1: ROOM, y2: height - BOTTOM }),
        h("text", { x: px, y: height - 9, "text-anchor": "middle", "aria-hidden": "true" }, short(x)),
      ];
    }),
    ticks(from[1], to[1]).map((y) => {
      const [, py] = at(from[0], y);
      return [
        h("line.grid", { x1: LEFT, x2: width - ROOM, y1: py, y2: py }),
        h("text", { x: LEFT - 6, y: py + 4, "text-anchor": "end", "aria-hidden": "true" }, short(y)),
      ];
    }),
  ];
  /** The ends of the line y = c + a x within the window. */
  const line = ([c, a]) => {
    const ends = [from[0], to[0]];
    if (a) ends.push(...[from[1], to[1]].map((y) => (y - c) / a));
    const inside = ends.filter((x) => x >= from[0] && x <= to[0] && inWindow(c + a * x, from[1], to[1])).sort((p, q) => p - q);
    if (inside.length < 2) return null;
    const [[x1, y1], [x2, y2]] = [inside[0], inside.at(-1)].map((x) => at(x, c + a * x));
    return { x1, y1, x2, y2 };
  };
  return { from, to, at, back, grid, line };
}

const inWindow = (value, least, most) => value >= least - 1e-9 * (most - least) && value <= most + 1e-9 * (most - least);

/** Points (x, z, y) of three owners, turned by some degrees, and the plane y = c + a x + b z, if there is a fit. */
export function tilted(owners, fit, degrees, label) {
  const rows = owners.flat();
  const range = [0, 1, 2].map((place) => {
    const values = rows.map((row) => row[place]);
    const [least, most] = rows.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
    return [(least + most) / 2, (most - least || 1) / 2];
  });
  const unit = (row) => row.map((value, place) => (value - range[place][0]) / range[place][1]);
  const angle = (degrees * Math.PI) / 180;
  const flat = ([x, z, y]) => {
    const [right, deep] = [x * Math.cos(angle) - z * Math.sin(angle), x * Math.sin(angle) + z * Math.cos(angle)];
    return [280 + right * 150, 190 + deep * 55 - y * 95, deep];
  };
  const path = (corners) => `${corners.map((corner, at) => `${at ? "L" : "M"}${flat(corner).slice(0, 2).join(" ")}`).join("")}Z`;
  const square = [[-1, -1], [1, -1], [1, 1], [-1, 1]];
  const height = (x, z) => {
    const [rx, rz] = [range[0][0] + x * range[0][1], range[1][0] + z * range[1][1]];
    return (fit[0] + fit[1] * rx + fit[2] * rz - range[2][0]) / range[2][1];
  };
  const axis = (name, end) => {
    const [x, y] = flat(end);
    return h("text", { x, y, "text-anchor": "middle", "aria-hidden": "true" }, name);
  };
  const points = owners.flatMap((own, owner) => own.map((row) => ({ owner, at: unit(row) })));
  points.sort((one, other) => flat(one.at)[2] - flat(other.at)[2]);
  return h(
    "svg.plot",
    { viewBox: "0 0 560 380", role: "img", "aria-label": label },
    h("path.floor", { d: path(square.map(([x, z]) => [x, z, -1])) }),
    axis("x", [0, 1.25, -1]),
    axis("z", [1.25, 0, -1]),
    fit ? h("path.plane", { d: path(square.map(([x, z]) => [x, z, height(x, z)])) }) : null,
    points.map(({ owner, at }) => {
      const [px, py] = flat(at);
      const [fx, fy] = flat([at[0], at[1], fit ? height(at[0], at[1]) : -1]);
      return [
        h("line.residual", { x1: px, y1: py, x2: fx, y2: fy }),
        h("g", { transform: `translate(${px - 8} ${py - 8})` }, form(owner + 1)),
      ];
    }),
  );
}
