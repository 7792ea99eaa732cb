// Two rows: the tests of their difference, and the examples that they answer differently.

class Pairs {
  constructor() {
    this.section = document.getElementById("pairs");
    this.groups = data.groups.filter((group) => group.rows.length > 1);
    if (!this.section || !this.groups.length) return;
    const host = element("div", { className: "pairs-of" });
    const tools = element("div", { className: "tools" });
    this.table = choice("Table", groupChoices(this.groups), () => this.changeTable());
    this.a = choice("Row A", [], () => this.changeRows());
    this.b = choice("Row B", [], () => this.changeRows());
    tools.append(this.a.label, this.b.label);
    this.facts = element("dl", { className: "facts" });
    this.examples = element("div");
    this.heading = element("h3", { tabIndex: -1 }, "Two rows");
    host.append(this.heading, tools, this.facts, this.examples);
    const anchor = this.section.querySelector(".plots");
    anchor.after(host);
    if (globalThis.Plot && data.pairs.length) {
      this.live = new LivePlot(this.section, (width) => this.matrix(width), "Row minus column, by score; a dot: p < 0.05 after Holm. A click chooses the two rows.");
      this.live.add(this.table);
      this.live.start();
    } else {
      tools.prepend(this.table.label);
    }
    this.changeTable();
  }
  get group() { return data.groups[this.table.select.value ?? data.groups.indexOf(this.groups[0])]; }
  test(a, b) {
    const found = data.pairs.find((pair) => (pair.a === a && pair.b === b) || (pair.a === b && pair.b === a));
    if (!found || found.a === a) return found;
    return { ...found, difference: -found.difference, low: isNumber(found.high) ? -found.high : null, high: isNumber(found.low) ? -found.low : null };
  }
  changeTable() {
    const options = () => this.group.rows.map((r) => element("option", { value: String(r) }, rows.label[r]));
    this.a.select.replaceChildren(...options());
    this.b.select.replaceChildren(...options());
    const byScore = this.group.rows.filter((r) => isNumber(rows.score[r])).sort((a, b) => rows.score[b] - rows.score[a]);
    const [first, second] = byScore.length > 1 ? byScore : this.group.rows;
    this.a.select.value = String(first);
    this.b.select.value = String(second);
    if (this.live) this.live.show();
    this.changeRows();
  }
  choose(group, a, b) {
    this.table.select.value = String(group);
    this.changeTable();
    this.a.select.value = String(a);
    this.b.select.value = String(b);
    this.changeRows();
  }
  // From the tables: the reader goes there.
  show(group, a, b) {
    this.choose(group, a, b);
    this.heading.scrollIntoView();
    this.heading.focus();
  }
  changeRows() {
    const a = Number(this.a.select.value), b = Number(this.b.select.value);
    const facts = [["A", `${rows.label[a]}: ${score(rows.score[a])}`], ["B", `${rows.label[b]}: ${score(rows.score[b])}`]];
    const test = this.test(a, b);
    if (a === b) {
      facts.push(["", "the same row"]);
    } else if (test) {
      const interval = isNumber(test.low) ? ` [${signed(test.low)}, ${signed(test.high)}]` : "";
      facts.push(["A minus B", `${signed(test.difference)}${interval}, over ${test.on}`]);
      facts.push(["test", isNumber(test.adjusted) ? `p = ${probability(test.adjusted)} after Holm (${probability(test.p)} alone), ${test.test}` : test.test]);
    } else {
      if (isNumber(rows.score[a]) && isNumber(rows.score[b])) facts.push(["A minus B", signed(rows.score[a] - rows.score[b])]);
      facts.push(["test", "none is in this page"]);
    }
    this.facts.replaceChildren(...facts.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]));
    this.showExamples(a, b);
  }
  showExamples(a, b) {
    const answers = data.answers.find((of) => of.rows.includes(a) && of.rows.includes(b));
    if (a === b) return this.examples.replaceChildren();
    if (!answers) return this.examples.replaceChildren(element("p", { className: "soft" }, "Their answers are not in this page."));
    const [i, j] = [answers.rows.indexOf(a), answers.rows.indexOf(b)];
    const pair = answers.pairs.find((of) => of[0] === Math.min(i, j) && of[1] === Math.max(i, j));
    const [, , differ, first, second] = pair ?? [0, 0, 0, 0, 0];
    const [onlyA, onlyB] = i < j ? [first, second] : [second, first];
    const shown = answers.shown.filter((example) => example.answers[i] !== example.answers[j]);
    const words = `Seed ${answers.seeds[i]} of A and seed ${answers.seeds[j]} of B answer ${differ} of ${answers.examples} examples differently: ` +
      `${onlyA} that only A has right, ${onlyB} that only B has right.` + (shown.length < differ ? ` ${shown.length} of them are here.` : "");
    this.examples.replaceChildren(element("p", {}, words), ...shown.map((example) => this.example(example, a, b, i, j, answers)));
  }
  example(example, a, b, i, j, answers) {
    const answer = (name, place) => {
      const right = example.right[place] === "1";
      return element("span", { className: right ? "right" : "wrong" }, ` ${name}: ${answers.words[example.answers[place]] || "(empty)"}\u00a0${right ? "✓" : "✗"}`);
    };
    const summary = element("summary", {}, `${example.place}, correct: ${example.target};`, answer("A", i), ",", answer("B", j));
    const text = example.input ? element("pre", {}, example.input) : element("p", { className: "soft" }, "The predictions of these runs do not hold the input's text.");
    return element("details", { className: "example" }, summary, text);
  }
  matrix(width) {
    const cells = [], group = this.group;
    const order = data.matrix[data.groups.indexOf(group)] ?? [];
    for (const a of order) for (const b of order) {
      const test = a !== b && this.test(a, b);
      if (test) cells.push({ ...test, a, b });
    }
    if (!cells.length) return null;
    const largest = Math.max(1e-9, ...cells.map((cell) => Math.abs(cell.difference)));
    const name = (r) => (rows.label[r].length > 26 ? rows.label[r].slice(0, 25) + "…" : rows.label[r]);
    const dark = darkness.matches;
    const fill = d3.interpolateRgbBasis(dark ? ["#ffa35c", "#8f4f1b", "#2a2a2a", "#3a5aa8", "#9db8ff"] : ["#b04a00", "#e8b083", "#f4f4f4", "#9fbbee", "#2f57b0"]);
    const color = (cell) => fill((cell.difference / largest + 1) / 2);
    const ink = (cell) => (d3.lab(color(cell)).l > 58 ? "#111" : "#fff");
    const side = Math.min(210, 48 + 6.8 * Math.max(...order.map((r) => name(r).length)));
    const left = Math.min(side, width * 0.4), size = (width - left - 16) / order.length;
    const texts = size >= 44;
    const title = `${groupName(group)}: differences of pairs`;
    const high = Math.max(14, Math.min(34, size));
    const svg = plotOf({
      width, marginLeft: left, marginTop: 30, marginBottom: 8, height: 38 + high * order.length, padding: 0.04,
      x: { domain: order, label: null, axis: "top", tickSize: 0, tickFormat: (r) => (size >= 17 || order.indexOf(r) % 5 === 4 ? String(order.indexOf(r) + 1) : "") },
      y: { domain: order, label: null, tickSize: 0, tickFormat: (r) => `${order.indexOf(r) + 1}  ${left < side ? name(r).slice(0, Math.max(3, Math.floor((left - 48) / 6.8))) : name(r)}` },
      marks: [
        Plot.cell(cells, { x: "b", y: "a", fill: color }),
        texts ? Plot.text(cells, { x: "b", y: "a", text: (cell) => signed(cell.difference).replace("0.", ".") + (isNumber(cell.adjusted) && cell.adjusted < 0.05 ? "•" : ""), fill: ink, fontSize: 11 })
              : Plot.dot(cells.filter((cell) => isNumber(cell.adjusted) && cell.adjusted < 0.05), { x: "b", y: "a", r: 2, fill: ink }),
        Plot.tip(cells, Plot.pointer({ x: "b", y: "a", title: (cell) => `${rows.label[cell.a]} − ${rows.label[cell.b]}\n${signed(cell.difference)}${isNumber(cell.low) ? ` [${signed(cell.low)}, ${signed(cell.high)}]` : ""}\np after Holm ${probability(cell.adjusted)}` })),
      ],
    }, [], title);
    svg.addEventListener("click", () => {
      if (svg.value) this.choose(data.groups.indexOf(group), svg.value.a, svg.value.b);
    });
    return { svg, name: title };
  }
}
