// Parts of forms.
import { h } from "./core.js";

/** A control under its label, which is its own by the control's `id`. */
export const field = (label, control) => h("div.field", h("label", { for: control.id }, label), control);

/** A choice among options, pairs of what is taken and what is shown; `value`: the one that is taken at first. */
export const select = (options, { value, ...given }) =>
  h("select", given, options.map(([taken, shown]) => h("option", { value: taken, selected: String(taken) === String(value) }, shown)));

/** A box to tick, with what that means behind it; as a radio button by `type`. */
export const box = (label, given) => h("label.tick", h("input", { type: "checkbox", ...given }), label);
