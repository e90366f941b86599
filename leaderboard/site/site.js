"use strict";
// Sorts tables and filters entries. Texts of the page are read and compared; none is ever made markup or code.
(() => {
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  // Sorting: a button in each heading of a table of the class "sortable"; cells that say nothing stay last.

  function compare(a, b, numeric) {
    if (a === "" || b === "") return (a === "") - (b === "");
    return numeric ? Number(a) - Number(b) : collator.compare(a, b);
  }

  function sort(table, heading) {
    const column = heading.cellIndex;
    const numeric = heading.dataset.kind === "number";
    const falling = heading.getAttribute("aria-sort") === "ascending";
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const value = (row) => row.cells[column].dataset.value ?? "";
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      return falling && a !== "" && b !== "" ? compare(b, a, numeric) : compare(a, b, numeric);
    });
    body.append(...rows);
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    for (const heading of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      button.addEventListener("click", () => sort(table, heading));
      heading.append(button);
    }
  }

  // Filtering: an entry is shown if its row on a board has every word, the task, the input and the seeds that are asked
  // for; a board of which nothing is left is not shown.

  const form = document.getElementById("filters");
  if (form === null) return;
  const [find, task, input, seeds, shown] = ["find", "task", "input", "seeds", "shown"].map(
    (id) => document.getElementById(id),
  );

  function filter() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const kept = new Map();
    for (const board of document.querySelectorAll("section[data-board]")) {
      let left = 0;
      for (const row of board.querySelectorAll("table.board tr[data-entry]")) {
        const text = row.textContent.toLowerCase();
        const good = words.every((word) => text.includes(word))
          && (task.value === "" || board.dataset.board === task.value)
          && (input.value === "" || row.dataset.input === input.value)
          && Number(row.dataset.seeds) >= Number(seeds.value);
        kept.set(row.dataset.entry, good);
        left += good;
      }
      board.classList.toggle("out", left === 0);
    }
    for (const one of document.querySelectorAll("[data-entry]")) {
      one.classList.toggle("out", !kept.get(one.dataset.entry));
    }
    const count = [...kept.values()].filter(Boolean).length;
    shown.textContent = `${count} of ${kept.size} entries`;
  }

  for (const kind of ["input", "change"]) form.addEventListener(kind, filter);
  form.querySelector("button").addEventListener("click", () => {
    form.reset();
    filter();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("pageshow", filter); // also when a browser brings back what was typed
  form.hidden = false;
  filter();
})();
