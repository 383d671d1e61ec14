// The policy of a node: in sentences, beside its file.
import { announce, ask, during, fill, h, trouble } from "/static/base/core.js";

export async function showPolicy(section) {
  const { path, text, sentences, error } = await ask("operator/policy");
  const told = h("div");
  const lines = text.split("\n").map((line, at) => h("span", { id: `line-${at + 1}`, tabindex: "-1" }, h("span.at", `${at + 1}`), `${line}\n`));
  const file = h("pre.file", { tabindex: "0", role: "region", "aria-label": "policy.toml" }, lines);
  const go = (line) => {
    for (const one of lines) one.classList.remove("here");
    const there = lines[line - 1];
    there.classList.add("here");
    file.scrollTop = there.offsetTop - file.offsetTop - 40;
    there.focus({ preventScroll: true });
  };
  const reload = h(
    "button.quiet",
    {
      type: "button",
      onclick: () =>
        during(reload, told, async () => {
          await ask("operator/policy/reload", { method: "POST" });
          announce("The policy was read again");
          await showPolicy(section);
        }),
    },
    "Read the file again",
  );
  fill(
    section,
    h("h2", "Policy"),
    h("p", "What is not allowed here is refused; of the three nodes the strictest decides. Edit ", h("code", path), ": the node reads it by itself when it changes."),
    error ? trouble({ message: error, hint: "correct that line; the policy before is in force meanwhile" }) : null,
    h("div.row", reload),
    told,
    h(
      "div.beside",
      h(
        "ol.sentences",
        sentences.map((one) => h("li", one.text, one.line ? [" ", h("button.quiet", { type: "button", onclick: () => go(one.line) }, `line ${one.line}`)] : null)),
      ),
      file,
    ),
  );
}
