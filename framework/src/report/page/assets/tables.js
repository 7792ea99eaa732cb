// The tables: sorted by their headers, filtered by text, with the columns that are wanted; and rows are chosen.

const UNITS = { ms: 1e-3, s: 1, min: 60, h: 3600, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

// What a cell says as a number: of "0.750 ± 0.071" and "1–2" the first, of "4 min 05 s" the sum. NaN: no number.
function valueOf(text) {
  const found = /^[*+−-]?\s*\d[\d,]*(\.\d+)?/.exec(text);
  if (!found) return NaN;
  let value = Number(found[0].replace(/[*,\s]/g, "").replace("−", "-"));
  const rest = text.slice(found[0].length);
  const unit = /^ (ms|s|min|h|[KMGT]iB)\b(?: (\d+) (s|min)\b)?/.exec(rest);
  if (unit) value = value * UNITS[unit[1]] + (unit[2] ? Number(unit[2]) * UNITS[unit[3]] : 0);
  return value;
}

function sortTable(table, column, direction) {
  const body = table.tBodies[0];
  const lines = [...table.lines];
  if (direction !== "none") {
    const cells = lines.map((line, place) => ({ line, place, text: line.cells[column].textContent }));
    const numeric = !table.tHead.rows[0].cells[column].classList.contains("text");
    const sign = direction === "ascending" ? 1 : -1;
    if (numeric) for (const cell of cells) cell.value = valueOf(cell.text);
    // What has no value is last either way.
    cells.sort((a, b) => {
      if (!numeric) return sign * a.text.localeCompare(b.text, undefined, { numeric: true }) || a.place - b.place;
      if (Number.isNaN(a.value) || Number.isNaN(b.value)) return Number.isNaN(a.value) - Number.isNaN(b.value) || a.place - b.place;
      return sign * (a.value - b.value) || a.place - b.place;
    });
    lines.splice(0, lines.length, ...cells.map((cell) => cell.line));
  }
  body.append(...lines);
  [...table.tHead.rows[0].cells].forEach((head, c) => {
    if (c === column && direction !== "none") head.setAttribute("aria-sort", direction);
    else head.removeAttribute("aria-sort");
  });
}

function makeSortable(table) {
  table.lines = [...table.tBodies[0].rows];  // those below a rule stay where they are
  table.all = [...table.tBodies].flatMap((body) => [...body.rows]);
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const first = head.classList.contains("text") ? "ascending" : "descending";
    const second = first === "ascending" ? "descending" : "ascending";
    const button = element("button", { type: "button", title: "sort by this column" }, head.textContent);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      sortTable(table, column, now === first ? second : now === second ? "none" : first);
    });
    head.replaceChildren(button);
  });
}

function addFilter(tools, tables) {
  const field = element("input", { type: "search", placeholder: "words in a row" });
  const count = element("span", { className: "soft", role: "status" });
  const all = tables.reduce((sum, table) => sum + table.all.length, 0);
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    for (const table of tables) {
      const caption = table.caption ? table.caption.textContent.toLowerCase() : "";
      for (const line of table.all) {
        const text = line.textContent.toLowerCase();
        line.hidden = !words.every((word) => text.includes(word) || caption.includes(word));
        if (!line.hidden) ++left;
      }
    }
    count.textContent = words.length ? `${left} of ${all} rows` : "";
  });
  tools.append(element("label", {}, "Filter", field), count);
}

function addColumnChoice(tools, tables) {
  const places = new Map();  // title: cells to hide
  for (const table of tables)
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (column === 0) return;
      const title = head.textContent;
      if (!places.has(title)) places.set(title, []);
      places.get(title).push([table, column]);
    });
  const boxes = [...places].map(([title, of]) => {
    const box = element("input", { type: "checkbox", checked: true });
    box.addEventListener("change", () => {
      for (const [table, column] of of)
        for (const line of [table.tHead.rows[0], ...table.all]) line.cells[column].hidden = !box.checked;
    });
    return element("label", {}, box, title);
  });
  tools.append(element("details", { className: "columns" }, element("summary", {}, "Columns"), element("div", {}, ...boxes)));
}

// Boxes in front of the rows; two of one table can be compared.
function addChoiceOfRows(section, compare) {
  const bar = element("div", { className: "chosen", role: "status", hidden: true });
  let chosen = [];  // {group, row, box}
  const show = () => {
    bar.hidden = chosen.length === 0;
    const names = chosen.map((one) => rows.label[one.row]).join(" and ");
    const button = element("button", { type: "button", disabled: chosen.length < 2 }, "Compare these two");
    button.addEventListener("click", () => compare(chosen[0].group, chosen[0].row, chosen[1].row));
    bar.replaceChildren(element("span", {}, chosen.length < 2 ? `${names}: choose a second row of the table` : names), button);
  };
  for (const region of section.querySelectorAll("[data-group]")) {
    const group = Number(region.dataset.group), table = region.querySelector("table");
    const of = data.groups[group].rows;
    if (of.length < 2 || of.length !== table.lines.length) continue;
    table.lines.forEach((line, place) => {
      const box = element("input", { type: "checkbox", "aria-label": `choose ${rows.label[of[place]]}` });
      box.addEventListener("change", () => {
        const kept = chosen.filter((one) => one.box !== box && (!box.checked || one.group === group));
        if (box.checked) kept.push({ group, row: of[place], box });
        for (const one of [...chosen, ...kept]) one.box.checked = false;
        chosen = kept.slice(-2);
        for (const one of chosen) one.box.checked = true;
        show();
      });
      line.cells[0].prepend(box);
    });
  }
  section.append(bar);
}

function startTables(compare) {
  const section = document.getElementById("tables");
  const tables = [...section.querySelectorAll("table")];
  if (!tables.length) return;
  tables.forEach(makeSortable);
  const tools = section.querySelector(".tools");
  addFilter(tools, tables);
  addColumnChoice(tools, tables);
  addChoiceOfRows(section, compare);
  // Filtering moves no column.
  const heads = tables.flatMap((table) => [...table.tHead.rows[0].cells]);
  const widths = heads.map((head) => head.getBoundingClientRect().width);
  heads.forEach((head, place) => (head.style.minWidth = `${widths[place]}px`));
}
