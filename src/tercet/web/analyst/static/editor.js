// The field for SQL: a text area with a list of words that fit what is being typed.
import { announce, fill, h } from "/static/base/core.js";

const WORDS = (
  "SELECT FROM WHERE GROUP BY AND OR NOT IN BETWEEN IS NULL TRUE FALSE AS JOIN LEFT ON USING CASE WHEN THEN ELSE END " +
  "COUNT(*) COUNT( SUM( AVG( STDDEV( STDDEV_POP( VAR_SAMP( VAR_POP( MIN( MAX( ABS( COALESCE( NULLIF("
).split(" ");
const MOST = 8;

/** A name as SQL takes it: quoted where it is not a plain one. */
export const quoted = (name) =>
  /^[a-z_][a-z0-9_]*$/i.test(name) && !WORDS.includes(name.toUpperCase()) ? name : `"${name.replaceAll('"', '""')}"`;

/** A text as SQL takes it. */
export const literal = (text) => `'${text.replaceAll("'", "''")}'`;

/** { element, value(), set(text) }: `names()` gives [{ word, what }] of tables and columns. */
export function editor(label, names, onchange) {
  const area = h("textarea.code#sql", {
    rows: 5,
    spellcheck: "false",
    autocomplete: "off",
    "aria-autocomplete": "list",
    "aria-describedby": "sql-help",
  });
  const list = h("ul.words#sql-words", { role: "listbox", "aria-label": "Words that fit", hidden: true });
  let found = [], chosen = -1;

  const typed = () => area.value.slice(0, area.selectionStart).match(/[A-Za-z_"][\w"]*$/)?.[0] ?? "";
  const close = () => {
    list.hidden = true;
    chosen = -1;
    found = [];
    area.removeAttribute("aria-activedescendant");
    area.removeAttribute("aria-controls");
  };
  const show = () => {
    const start = typed().replaceAll('"', "").toLowerCase();
    if (!start) return close();
    const all = [...names(), ...WORDS.map((word) => ({ word, what: "SQL" }))];
    found = all.filter(({ word }) => word.replaceAll('"', "").toLowerCase().startsWith(start) && word.toLowerCase() !== start).slice(0, MOST);
    if (!found.length) return close();
    list.hidden = false;
    area.setAttribute("aria-controls", "sql-words");
    return draw();
  };
  const draw = () => {
    fill(
      list,
      found.map(({ word, what }, place) =>
        h(
          "li",
          {
            role: "option",
            id: `sql-word-${place}`,
            "aria-selected": String(place === chosen),
            onmousedown: (event) => {
              event.preventDefault();
              take(place);
            },
          },
          word,
          h("span.hidden-text", `, ${what}`),
        ),
      ),
    );
    if (chosen >= 0) area.setAttribute("aria-activedescendant", `sql-word-${chosen}`);
    else area.removeAttribute("aria-activedescendant");
  };
  const take = (place) => {
    const end = area.selectionStart, start = end - typed().length, word = found[place].word;
    area.setRangeText(word, start, end, "end");
    close();
    area.focus();
    announce(`${word} taken`);
    onchange();
  };
  area.addEventListener("input", () => {
    show();
    onchange();
  });
  area.addEventListener("blur", close);
  area.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      chosen = (chosen + step + found.length) % found.length;
      draw();
    } else if ((event.key === "Enter" || event.key === "Tab") && chosen >= 0) take(chosen);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
  });
  return {
    element: h(
      "div.editor",
      h("label", { for: "sql" }, label),
      area,
      list,
      h("p.soft#sql-help", "One SELECT of COUNT, SUM, AVG, STDDEV. While you type, words that fit are listed: arrow keys and Enter take one, Escape closes the list."),
    ),
    value: () => area.value,
    set: (text) => {
      area.value = text;
      close();
    },
  };
}
