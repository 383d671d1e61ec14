// What is asked: SQL as text, or picked; a regression; a histogram. Picking writes the SQL, so that both are one thing.
import { counted } from "/static/base/amounts.js";
import { fill, h } from "/static/base/core.js";
import { box, field, select } from "/static/base/fields.js";
import { editor, literal, quoted } from "./editor.js";

const KINDS = [
  ["pick", "Pick"],
  ["sql", "SQL"],
  ["regression", "Regression"],
  ["histogram", "Histogram"],
];
const AGGREGATES = [
  ["AVG", "the mean of"],
  ["SUM", "the sum of"],
  ["STDDEV", "the spread of"],
  ["COUNT", "how many there are of"],
];

const choice = (id, label, options, onchange) => field(label, select(options, { id, onchange }));
const named = (columns) => columns.map(({ name }) => [name, name]);

const numbers = (table) => named(table.columns.filter((column) => column.number && column.kind !== "bool"));

/** { element, question(), focus() }: the form, and the question that it holds; a sentence instead where it holds none. */
export function form(tables, onchange) {
  const names = () => {
    const columns = new Map();
    for (const table of tables)
      for (const { name } of table.columns) columns.set(name, [...(columns.get(name) ?? []), table.name]);
    return [
      ...tables.map(({ name }) => ({ word: quoted(name), what: "table" })),
      ...[...columns].map(([name, where]) => ({ word: quoted(name), what: `column of ${where.join(", ")}` })),
    ];
  };
  const written = editor("SQL", names, onchange);
  const body = h("div");
  let kind = "pick", make = () => "";

  const tablePicker = (id, then) => {
    const names = select(tables.map(({ name, rows }) => [name, `${name} (${counted(rows, "row")})`]), { id, onchange: () => then(current()) });
    const current = () => tables.find(({ name }) => name === names.value);
    return { field: field("Table", names), current };
  };

  function pick() {
    const rest = h("div"), shown = h("pre.said");
    const picker = tablePicker("pick-table", (table) => draw(table));
    let current = "";
    function draw(table) {
      const what = numbers(table), groups = named(table.columns.filter((column) => column.grouping));
      const bools = named(table.columns.filter((column) => column.kind === "bool"));
      const update = () => {
        current = sql();
        fill(shown, current);
        onchange();
      };
      const condition = h("div.row");
      const conditions = [["", "all rows"], ...what, ...bools, ...named(table.columns.filter((column) => column.kind === "category"))];
      const column = () => table.columns.find(({ name }) => name === rest.querySelector("#pick-where").value);
      const drawCondition = () => {
        const found = column();
        if (!found) fill(condition);
        else if (found.kind === "bool") fill(condition, choice("pick-is", "is", [["TRUE", "true"], ["FALSE", "false"]], update));
        else if (found.kind === "category") fill(condition, choice("pick-is", "is", found.categories.map((one) => [literal(one), one]), update));
        else
          fill(
            condition,
            choice("pick-how", "is", [[">", "greater than"], ["<", "less than"], ["=", "equal to"], [">=", "at least"], ["<=", "at most"]], update),
            field("the number", h("input#pick-number", { inputmode: "decimal", value: "0", oninput: update })),
          );
        update();
      };
      fill(
        rest,
        h("fieldset.choice", h("legend", "What"), [
          box("how many rows", { name: "count", checked: true, onchange: update }),
          what.length ? [choice("pick-aggregate", "and", [["", "nothing else"], ...AGGREGATES], update), choice("pick-column", "column", what, update)] : null,
        ]),
        h("div.row", choice("pick-group", "For each", [["", "all together"], ...groups], update), choice("pick-where", "Only where", conditions, drawCondition)),
        condition,
        h("p.soft", "The question in SQL:"),
        shown,
      );
      drawCondition();
      function sql() {
        const value = (id) => rest.querySelector(`#${id}`)?.value ?? "";
        const group = value("pick-group"), aggregate = value("pick-aggregate"), parts = [];
        if (group) parts.push(quoted(group));
        if (rest.querySelector("[name=count]").checked) parts.push("COUNT(*) AS rows");
        if (aggregate) parts.push(`${aggregate}(${quoted(value("pick-column"))})`);
        const found = column();
        const is = found && (found.kind === "bool" || found.kind === "category");
        const number = value("pick-number").trim();
        if (found && !is && !/^-?\d+(\.\d+)?$/.test(number)) return "";
        const where = found ? ` WHERE ${quoted(found.name)} ${is ? `= ${value("pick-is")}` : `${value("pick-how")} ${number}`}` : "";
        if (!aggregate && !rest.querySelector("[name=count]").checked) return "";
        return `SELECT ${parts.join(", ")} FROM ${quoted(table.name)}${where}${group ? ` GROUP BY ${quoted(group)}` : ""}`;
      }
    }
    fill(body, picker.field, rest);
    make = () => (current ? { kind: "sql", sql: current } : "Choose what to ask, and write the number as 12 or 12.5");
    draw(picker.current());
  }

  function sql() {
    fill(body, written.element);
    make = () => (written.value().trim() ? { kind: "sql", sql: written.value().trim() } : "Write a question in SQL");
  }

  function regression() {
    const rest = h("div");
    const picker = tablePicker("fit-table", (table) => draw(table));
    function draw(table) {
      const all = named(table.columns.filter((column) => column.number && !column.nullable));
      const features = h("fieldset.choice");
      const target = select(all, { id: "fit-target", onchange: () => drawFeatures() });
      const drawFeatures = () => {
        const y = target.value;
        fill(features, h("legend", "by"), all.filter(([name]) => name !== y).map(([name]) => box(name, { value: name, checked: true, onchange })));
        onchange();
      };
      const gaps = table.columns.filter((column) => column.number && column.nullable).map(({ name }) => name);
      fill(rest, all.length < 2 ? h("p", "A regression needs two columns of numbers without missing values.") : [field("Explain", target), features], gaps.length ? h("p.soft", `Not offered, as values may be missing: ${gaps.join(", ")}.`) : null);
      make = () => {
        const chosen = [...features.querySelectorAll("input:checked")].map((box) => box.value);
        if (!chosen.length) return "Choose at least one column that explains";
        return { kind: "regression", dataset: table.name, target: target.value, features: chosen };
      };
      if (all.length > 1) drawFeatures();
    }
    fill(body, picker.field, rest);
    draw(picker.current());
  }

  function histogram() {
    const rest = h("div");
    const picker = tablePicker("bins-table", (table) => draw(table));
    function draw(table) {
      const all = numbers(table);
      fill(
        rest,
        all.length
          ? h(
              "div.row",
              choice("bins-column", "Column", all, onchange),
              field("Bins", h("input#bins", { type: "number", min: 2, max: 200, value: "20", oninput: onchange })),
            )
          : h("p", "This table has no column of numbers."),
      );
      make = () => {
        const bins = Number(rest.querySelector("#bins")?.value);
        if (!all.length) return "Choose a table with a column of numbers";
        if (!Number.isInteger(bins) || bins < 2 || bins > 200) return "Choose 2 to 200 bins";
        return { kind: "histogram", dataset: table.name, column: rest.querySelector("#bins-column").value, bins };
      };
      onchange();
    }
    fill(body, picker.field, rest);
    draw(picker.current());
  }

  const views = { pick, sql, regression, histogram };
  const turn = (to) => {
    if (kind === "pick" && to === "sql" && !written.value().trim()) {
      const found = make();
      if (typeof found === "object") written.set(found.sql);
    }
    kind = to;
    views[to]();
    onchange();
  };
  const kinds = h(
    "fieldset.kinds",
    h("legend", "Ask by"),
    KINDS.map(([key, words]) => box(words, { type: "radio", name: "kind", value: key, checked: key === kind, onchange: () => turn(key) })),
  );
  pick();
  return {
    element: h("div", kinds, body),
    question: () => make(),
    write: (text) => {
      written.set(text);
      kinds.querySelector("[value=sql]").checked = true;
      turn("sql");
    },
  };
}
