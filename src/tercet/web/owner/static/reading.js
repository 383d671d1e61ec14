// How a table is read: the options of `tercet upload` that say it, for files where the usual is wrong.
import { h } from "/static/base/core.js";
import { field, select } from "/static/base/fields.js";

const CHOICES = {
  delimiter: ["between fields (CSV)", ["", "found out"], [",", "comma"], [";", "semicolon"], ["\t", "tab"], ["|", "|"]],
  decimal: ["decimal point (--decimal)", ["", "."], [",", ","]],
  thousands: ["groups of digits (--thousands)", ["", "none"], [",", ","], [".", "."], ["'", "'"], [" ", "space"], ["_", "_"]],
  day_first: ["dates such as 03.04.2024 (--day-first)", ["", "not said"], ["true", "day first: 3 April"], ["false", "month first: 4 March"]],
  header: ["first line (--header)", ["", "looked at"], ["true", "names the columns"], ["false", "is data (--no-header)"]],
};
const TEXTS = {
  skip_rows: ["lines to leave out above (--skip-rows)", (text) => Number(text)],
  names: ["names of all columns, with commas (--names)", (text) => text.split(",").map((one) => one.trim())],
  strip: ["text around numbers to take off, with blanks between (--strip)", (text) => text.split(" ").filter(Boolean)],
  na: ["texts that mean missing, with blanks between (--na)", (text) => text.split(" ").filter(Boolean)],
  encoding: ["encoding, as cp1252 (--encoding)", (text) => text],
  sheet: ["sheet, of Excel (--sheet)", (text) => text],
};

/** The sheets of a workbook to choose from. */
export const sheetOptions = (sheets) => [["", "choose"], ...sheets.map((name) => [name, name])];

/**
 * Fields for the options; `sheets`: names of those of a workbook, where they are known. `read` gets the options, as
 * the readers name them, when somebody wants the table read again.
 */
export function readingForm(reading, sheets, read) {
  const shown = (value) => (Array.isArray(value) ? value.join(" ") : value === undefined ? "" : String(value));
  const fields = Object.entries(CHOICES).map(([name, [label, ...options]]) =>
    field(label, select(options, { id: `read-${name}`, value: shown(reading[name]) })),
  );
  const texts = Object.entries(TEXTS).map(([name, [label]]) => {
    const value = name === "names" ? (reading.names ?? []).join(",") : shown(reading[name]);
    const given = { id: `read-${name}`, value };
    return field(label, name === "sheet" && sheets.length ? select(sheetOptions(sheets), given) : h("input", given));
  });
  const form = h(
    "form",
    {
      onsubmit: (event) => {
        event.preventDefault();
        const given = {};
        for (const name of [...Object.keys(CHOICES), ...Object.keys(TEXTS)]) {
          const value = form.querySelector(`#read-${name}`).value;
          if (value === "") continue;
          given[name] = name in TEXTS ? TEXTS[name][1](value) : value === "true" ? true : value === "false" ? false : value;
        }
        read(given);
      },
    },
    h("div.three", fields, texts),
    h("div.row", h("button.quiet", "Read it again")),
  );
  return h("details", { open: Object.keys(reading).length > 0 }, h("summary", "How it is read"), form);
}
