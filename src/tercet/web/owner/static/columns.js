// The description of one column, to be corrected: kind, bounds, exactness, categories, missing values.
import { count, counted } from "/static/base/amounts.js";
import { fill, h } from "/static/base/core.js";
import { box, field, select } from "/static/base/fields.js";

const KINDS = {
  bool: "yes or no",
  integer: "whole number",
  decimal: "number with decimals",
  category: "category",
  date: "date",
  key: "key (PUBLIC)",
};
const FIELDS = {
  bool: ["nullable"],
  integer: ["lo", "hi", "nullable"],
  decimal: ["lo", "hi", "digits", "frac_bits", "nullable"],
  category: ["categories", "nullable"],
  date: ["lo", "hi", "nullable"],
  key: ["key"],
};

/** What a column is to be, without what its kind does not have. */
export function description(one) {
  const { name, kind, description: words } = one.column;
  const made = { name, kind };
  for (const field of FIELDS[kind]) if (one.column[field] !== undefined && one.column[field] !== "") made[field] = one.column[field];
  if (words) made.description = words;
  return made;
}

/**
 * The card of a column. `changed` is called after each correction; `reread(kind)` where the table must be looked at again
 * for that kind; `fixed`: the dataset says what the column is, so nothing can be changed.
 */
export function columnCard(one, { changed, reread, problems, fixed }) {
  const mine = problems.filter((problem) => problem.column === one.name);
  const card = h(`fieldset.column${one.shared ? "" : ".out"}${mine.length ? ".wrong" : ""}`, { id: `column-${one.name}` });
  const set = (field, value) => {
    one.column[field] = value;
    changed();
  };
  const id = (field) => `${one.name}-${field}`;
  const text = (name, label, type = "text", read = (value) => value) =>
    field(
      label,
      h("input", {
        id: id(name),
        type,
        value: one.column[name] ?? "",
        disabled: fixed,
        inputmode: type === "text" ? "decimal" : null,
        onchange: (event) => set(name, event.target.value === "" ? undefined : read(event.target.value)),
      }),
    );

  const named = Object.entries(KINDS);
  const kinds = select(one.column ? named : [["", "choose"], ...named], {
    id: id("kind"),
    value: one.column?.kind ?? "",
    disabled: fixed,
    onchange: (event) => {
      const kind = event.target.value;
      if ((kind === "category" && !one.column?.categories) || kind === "key") return reread(kind);
      if (!one.column) Object.assign(one, { shared: true, column: { name: one.name, kind } });
      const { lo, hi } = one.column;
      const dates = (kind === "date") !== (one.column.kind === "date");
      const whole = kind === "integer" && lo !== undefined ? [Math.floor(lo), Math.ceil(hi)] : [lo, hi];
      Object.assign(one.column, { kind, lo: dates ? undefined : whole[0], hi: dates ? undefined : whole[1] });
      if (kind === "decimal" && one.column.digits === undefined) one.column.frac_bits ??= 16;
      changed();
      draw();
    },
  });

  function details() {
    if (!one.column || !one.shared) return null;
    const kind = one.column.kind;
    const has = (name) => FIELDS[kind].includes(name);
    return [
      has("lo") && h("div.pair", bound("lo", "lowest possible"), bound("hi", "highest possible")),
      kind === "decimal" && exactness(),
      has("categories") &&
        field(
          "categories, one a line (PUBLIC)",
          h("textarea", {
            id: id("categories"),
            rows: Math.min(6, (one.column.categories?.length ?? 0) + 1),
            disabled: fixed,
            value: (one.column.categories ?? []).join("\n"),
            onchange: (event) => set("categories", event.target.value.split("\n").map((line) => line.trim()).filter(Boolean)),
          }),
        ),
      has("nullable") &&
        box("values may be missing", {
          checked: Boolean(one.column.nullable),
          disabled: fixed,
          onchange: (event) => set("nullable", event.target.checked || undefined),
        }),
    ];
  }

  const bound = (name, label) =>
    one.column.kind === "date" ? text(name, label, "date") : text(name, label, "text", (value) => numberOf(value));

  function exactness() {
    const exact = one.column.digits !== undefined;
    return h(
      "div.pair",
      field(
        "kept",
        select([["digits", "exactly"], ["frac_bits", "rounded"]], {
          id: id("exactness"),
          value: exact ? "digits" : "frac_bits",
          disabled: fixed,
          onchange: (event) => {
            const digits = event.target.value === "digits";
            Object.assign(one.column, { digits: digits ? 2 : undefined, frac_bits: digits ? undefined : 16 });
            changed();
            draw();
          },
        }),
      ),
      exact ? text("digits", "digits after the point", "number", Number) : text("frac_bits", "to steps of 2 to the minus", "number", Number),
    );
  }

  function draw() {
    card.classList.toggle("out", !one.shared);
    fill(
      card,
      h("legend", one.name),
      fixed
        ? null
        : box(`share ${one.name}`, {
            checked: one.shared,
            disabled: !one.column,
            onchange: (event) => {
              one.shared = event.target.checked;
              changed();
              draw();
              card.querySelector("input").focus();
            },
          }),
      one.shared || !one.column ? field("kind", kinds) : null,
      details(),
      mine.map((problem) => h("p.bad", problem.count ? `${problem.what}: ${counted(problem.count, "time")}, see row ${count(problem.rows[0])}` : problem.what)),
      one.notes.length ? h("ul.notes", one.notes.map((note) => h("li", note))) : null,
    );
  }
  draw();
  return card;
}

/** A number as it is typed; what is none stays as it is, and is refused by name. */
function numberOf(text) {
  const number = Number(text.trim());
  return text.trim() === "" || Number.isNaN(number) ? text : number;
}
