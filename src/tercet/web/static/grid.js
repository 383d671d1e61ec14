// Tables of few rows.
import { h } from "./core.js";

/**
 * A table that scrolls by itself where it is too wide: titles, rows of cells (texts, elements, or whole `td` and `th`).
 * `caption` names it, seen where `named`. `numbers`: places of columns of numbers. `heads`: the first cell of a row is its head.
 */
export function grid(caption, titles, rows, { numbers = [], heads = false, named = true } = {}) {
  const cell = (tag, scope, place, inside) =>
    inside instanceof HTMLTableCellElement ? inside : h(`${tag}${numbers.includes(place) ? ".number" : ""}`, { scope }, inside);
  return h(
    "div.wide",
    { tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      // columns of texts stay readable where it is narrow: then it scrolls
      { style: titles.length > 3 ? { "min-width": `${Math.min(titles.length * 5, 42)}rem` } : {} },
      h(named ? "caption" : "caption.hidden-text", caption),
      h("thead", h("tr", titles.map((title, place) => cell("th", "col", place, title)))),
      h("tbody", rows.map((row) => h("tr", row.map((one, place) => (heads && !place ? cell("th", "row", place, one) : cell("td", null, place, one)))))),
    ),
  );
}
