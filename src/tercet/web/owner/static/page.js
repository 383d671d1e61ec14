// The owner's page.
import { ask, fill, h, trouble } from "/static/base/core.js";
import { count, grid, moment, page } from "/static/people/people.js";

page("owner", async (main) => {
  const { datasets, differing } = await ask("owner/datasets");
  fill(
    main,
    h("h1", "My data"),
    Object.values(differing).map(trouble),
    datasets.length
      ? grid(
          "Datasets",
          ["dataset", "rows", "of them mine", "owners", "changed", "columns"],
          datasets.map((one) => [
            one.name,
            count(one.rows),
            count(one.mine.reduce((sum, part) => sum + part.rows, 0)),
            one.owners.join(", "),
            moment(one.changed),
            one.columns.map((column) => column.name).join(", "),
          ]),
          [1, 2],
        )
      : h("p", "There are no datasets yet."),
  );
});
