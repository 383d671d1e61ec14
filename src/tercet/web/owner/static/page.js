// The owner's page: a table in, checked and shared; what became of it.
import { bytes } from "/static/base/amounts.js";
import { announce, ask, fill, h, trouble } from "/static/base/core.js";
import { page } from "/static/people/people.js";
import { showDatasets } from "./datasets.js";
import { Table } from "./table.js";
import { followUpload } from "./upload.js";

const PIECE = 4 << 20;

page("owner", async (main) => {
  const datasets = h("section", { "aria-labelledby": "datasets-title" });
  const bring = h("section", { "aria-labelledby": "bring-title" });
  const running = h("div");
  fill(main, h("h1", "My data"), running, bring, datasets);
  const refresh = () => showDatasets(datasets);
  showDrop(bring, refresh);
  await refresh();
  for (const task of (await ask("owner/uploads")).uploads) {
    const place = h("div");
    running.append(place);
    followUpload(place, task, refresh);
  }
});

/** The place for a file: to be dropped, or chosen by keyboard. */
function showDrop(bring, refresh) {
  const told = h("div");
  const input = h("input", { type: "file", onchange: () => input.files[0] && take(input.files[0]) });
  const place = h(
    "label.drop",
    {
      ondragover: (event) => {
        event.preventDefault();
        place.classList.add("over");
      },
      ondragleave: () => place.classList.remove("over"),
      ondrop: (event) => {
        event.preventDefault();
        place.classList.remove("over");
        if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
      },
    },
    h("strong", "Drop a table here"),
    h("br"),
    "CSV, Excel, Parquet or Arrow, or choose a file:",
    h("br"),
    input,
  );
  fill(
    bring,
    h("h2#bring-title", "Bring a table"),
    h("p", "It is read and checked on this machine. Only when you say so, each value is split into three random parts, and each node gets two of them."),
    place,
    told,
  );

  async function take(file) {
    input.disabled = true;
    try {
      const table = await carry(file, told);
      fill(told);
      new Table(bring, table, () => showDrop(bring, refresh), refresh);
    } catch (error) {
      fill(told, trouble(error));
    } finally {
      input.disabled = false;
      input.value = "";
    }
  }
}

/** Carry a file's bytes to the program on this machine, in pieces. */
async function carry(file, told) {
  const bar = h("progress", { max: "1", value: "0", "aria-label": `Reading ${file.name}` });
  fill(told, h("p", `Reading ${file.name} (${bytes(file.size)}) …`), bar);
  announce(`Reading ${file.name}`);
  let facts = await ask("owner/files", { body: { name: file.name, size: file.size } });
  for (let at = 0; at < file.size; at += PIECE) {
    facts = await ask(`owner/pieces/${facts.file}?at=${at}`, { method: "PUT", body: file.slice(at, at + PIECE) });
    bar.value = facts.received / file.size;
  }
  return facts;
}

