// What is asked: SQL as text, or picked; a regression; a histogram. Picking writes the SQL, so that both are one thing.
import { fill, h } from "/static/base/core.js";
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

const select = (id, label, options, onchange) =>
  h(
    "div.field",
    h("label", { for: id }, label),
    h(`select#${id}`, { onchange }, options.map(([value, words]) => h("option", { value }, words))),
  );

const numbers = (table) => table.columns.filter((column) => column.number && column.kind !== "bool").map(({ name }) => [name, name]);

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
    const field = select(id, "Table", tables.map(({ name, rows }) => [name, `${name} (${rows.toLocaleString("en")} rows)`]), () => then(current()));
    const current = () => tables.find(({ name }) => name === field.querySelector("select").value);
    return { field, current };
  };

  function pick() {
    const rest = h("div"), shown = h("pre.said");
    const picker = tablePicker("pick-table", (table) => draw(table));
    let current = "";
    function draw(table) {
      const what = numbers(table), groups = table.columns.filter((column) => column.grouping).map(({ name }) => [name, name]);
      const bools = table.columns.filter((column) => column.kind === "bool").map(({ name }) => [name, name]);
      const update = () => {
        current = sql();
        fill(shown, current);
        onchange();
      };
      const condition = h("div.row");
      const conditions = [["", "all rows"], ...what, ...bools, ...table.columns.filter((column) => column.kind === "category").map(({ name }) => [name, name])];
      const column = () => table.columns.find(({ name }) => name === rest.querySelector("#pick-where").value);
      const drawCondition = () => {
        const found = column();
        if (!found) fill(condition);
        else if (found.kind === "bool") fill(condition, select("pick-is", "is", [["TRUE", "true"], ["FALSE", "false"]], update));
        else if (found.kind === "category") fill(condition, select("pick-is", "is", found.categories.map((one) => [literal(one), one]), update));
        else
          fill(
            condition,
            select("pick-how", "is", [[">", "greater than"], ["<", "less than"], ["=", "equal to"], [">=", "at least"], ["<=", "at most"]], update),
            h("div.field", h("label", { for: "pick-number" }, "the number"), h("input#pick-number", { inputmode: "decimal", value: "0", oninput: update })),
          );
        update();
      };
      const many = [...groups];
      fill(
        rest,
        h("fieldset.choice", h("legend", "What"), [
          h("label", h("input", { type: "checkbox", name: "count", checked: true, onchange: update }), "how many rows"),
          what.length ? [select("pick-aggregate", "and", [["", "nothing else"], ...AGGREGATES], update), select("pick-column", "column", what, update)] : null,
        ]),
        h("div.row", select("pick-group", "For each", [["", "all together"], ...many], update), select("pick-where", "Only where", conditions, drawCondition)),
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
      const all = table.columns.filter((column) => column.number && !column.nullable).map(({ name }) => [name, name]);
      const features = h("fieldset.choice");
      const target = select("fit-target", "Explain", all, () => drawFeatures());
      const drawFeatures = () => {
        const y = target.querySelector("select").value;
        fill(features, h("legend", "by"), all.filter(([name]) => name !== y).map(([name]) => h("label", h("input", { type: "checkbox", value: name, checked: true, onchange }), name)));
        onchange();
      };
      const gaps = table.columns.filter((column) => column.number && column.nullable).map(({ name }) => name);
      fill(rest, all.length < 2 ? h("p", "A regression needs two columns of numbers without missing values.") : [target, features], gaps.length ? h("p.soft", `Not offered, as values may be missing: ${gaps.join(", ")}.`) : null);
      make = () => {
        const chosen = [...features.querySelectorAll("input:checked")].map((box) => box.value);
        if (!chosen.length) return "Choose at least one column that explains";
        return { kind: "regression", dataset: table.name, target: target.querySelector("select").value, features: chosen };
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
              select("bins-column", "Column", all, onchange),
              h("div.field", h("label", { for: "bins" }, "Bins"), h("input#bins", { type: "number", min: 2, max: 200, value: "20", oninput: onchange })),
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
    KINDS.map(([key, words]) => h("label", h("input", { type: "radio", name: "kind", value: key, checked: key === kind, onchange: () => turn(key) }), words)),
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
