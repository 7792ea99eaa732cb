// The plots, drawn anew by Observable Plot where the page holds it: pointed at, chosen among, saved.

const LIGHT = ["#3456b8", "#c2410c", "#13795b", "#8b2fa8", "#8a6100", "#0b7285", "#b4245d", "#566b00", "#6b5344", "#5a5a5a"];
const DARK = ["#8fa8ff", "#ff9d6b", "#5fd3a4", "#d79bf2", "#e8b84a", "#5fd0e6", "#ff8fb8", "#b9cc4a", "#d0b8a2", "#bdbdbd"];
const MOST_NAMES = 24;  // more rows have no legend

const darkness = matchMedia("(prefers-color-scheme: dark)");
const labels = [...new Set(rows.label)];
const colorOf = (label) => (darkness.matches ? DARK : LIGHT)[labels.indexOf(label) % LIGHT.length];
const again = (label) => labels.indexOf(label) % (2 * LIGHT.length) >= LIGHT.length;
const symbolOf = (label) => (again(label) ? "square" : "circle");
const inkOf = () => getComputedStyle(document.body).color;

// Names and colours below the plot, in the SVG itself, so that they are saved with it.
function addLegend(svg, names) {
  if (!names.length || names.length > MOST_NAMES) return;
  const width = Number(svg.getAttribute("width")), height = Number(svg.getAttribute("height"));
  const legend = svgElement("g", { "font-size": 12, "text-anchor": "start", "font-variant": "normal", fill: "currentColor", "aria-label": "legend" });
  let x = 46, y = height + 18;
  for (const name of names) {
    const shown = name.length > 60 ? name.slice(0, 59) + "…" : name;
    const taken = 34 + 6.6 * shown.length;
    if (x + taken > width && x > 46) {
      x = 46;
      y += 18;
    }
    legend.append(again(name) ? svgElement("rect", { x: x - 4, y: y - 8, width: 8, height: 8, fill: colorOf(name) })
                              : svgElement("circle", { cx: x, cy: y - 4, r: 4.5, fill: colorOf(name) }));
    legend.append(svgElement("text", { x: x + 10, y }, shown));
    x += taken;
  }
  svg.append(legend);
  svg.setAttribute("height", y + 10);
  svg.setAttribute("viewBox", `0 0 ${width} ${y + 10}`);
}

// On a logarithmic axis 0 stands a step below the others. `words` is the axis' title.
function axis(values, words, log) {
  const above = values.filter((value) => value > 0);
  if (!log || !above.length) return { at: (value) => value, options: { label: words, labelArrow: "none", tickFormat: short, nice: true } };
  const low = Math.min(...above), high = Math.max(...above);
  const power = 10 ** Math.floor(Math.log10(low)), zero = low / power < 3 ? power / 10 : power;  // Plot labels powers alone
  const hasZero = values.some((value) => value <= 0);
  let ticks = [];
  for (let exponent = Math.floor(Math.log10(low)); exponent <= Math.ceil(Math.log10(high)); ++exponent)
    for (const digit of high / low >= 100 ? [1] : [1, 2, 5]) ticks.push(digit * 10 ** exponent);
  const most = high * (high / low) ** 0.06 * 1.1, least = low / 1.1 / (high / low) ** 0.06;
  ticks = ticks.filter((tick) => tick >= least && tick <= most && !(hasZero && tick <= zero));
  if (ticks.length > 10) ticks = ticks.filter((_, place) => place % Math.ceil(ticks.length / 9) === 0);
  if (hasZero) ticks.unshift(zero);
  return {
    at: (value) => (value <= 0 ? zero : value),
    options: { type: "log", label: words, labelArrow: "none", domain: [hasZero ? zero / 1.1 : least, most], ticks,
               tickFormat: (tick) => (hasZero && tick === zero ? "0" : short(tick)) },
  };
}

// A plot that is drawn again when a choice, the width or the scheme changes. `draw(width)` gives {svg, name}.
class LivePlot {
  constructor(section, draw, note = "") {
    this.draw = draw;
    this.host = element("div", { className: "live" });
    this.tools = element("div", { className: "tools" });
    const save = element("button", { type: "button" }, "Save as SVG");
    save.addEventListener("click", () => this.drawn && saveSvg(this.drawn.svg, fileName(this.drawn.name)));
    this.empty = element("p", { className: "soft", hidden: true }, "Nothing to draw for this choice.");
    this.save = save;
    const before = section.querySelector(".plots");
    before.hidden = true;
    before.before(this.tools, this.host, this.empty, ...(note ? [element("p", { className: "soft" }, note)] : []));
    this.width = 0;
    new ResizeObserver(() => this.wanted() !== this.width && this.show()).observe(this.host);
    darkness.addEventListener("change", () => this.show());
  }
  wanted() { return Math.max(280, Math.min(860, Math.floor(this.host.clientWidth))); }
  add(control) { this.tools.append(control.label); return control.select; }
  start() { this.tools.append(this.save); this.show(); }
  show() {
    this.width = this.wanted();
    this.drawn = this.draw(this.width);
    this.empty.hidden = Boolean(this.drawn);
    this.save.disabled = !this.drawn;
    this.host.replaceChildren(...(this.drawn ? [this.drawn.svg] : []));
  }
}

function plotOf(options, names, title) {
  const made = Plot.plot({ marginLeft: 56, marginBottom: 42, marginTop: 26, marginRight: 24, ariaLabel: title, style: { color: inkOf() }, ...options });
  const svg = made.tagName === "svg" ? made : made.querySelector("svg");
  svg.setAttribute("role", "img");
  addLegend(svg, names);
  return svg;
}

function paretoFront(points) {
  const front = [];
  for (const point of [...points].sort((a, b) => a.x - b.x || b.y - a.y))
    if (!front.length || point.y > front[front.length - 1].y) front.push(point);
  return front;
}

function startCosts() {
  const section = document.getElementById("costs");
  const groups = data.groups.filter((group) => group.rows.some((r) => isNumber(rows.score[r]) && data.costs.some((cost) => isNumber(cost.values[r]))));
  if (!section || !groups.length) return;
  const live = new LivePlot(section, (width) => {
    const group = data.groups[table.value], cost = data.costs[against.value];
    const points = group.rows.filter((r) => isNumber(rows.score[r]) && isNumber(cost.values[r]))
      .map((r) => ({ x: cost.values[r], y: rows.score[r], low: rows.low[r], high: rows.high[r], label: rows.label[r] }));
    if (!points.length) return null;
    const front = paretoFront(points), few = points.length <= MOST_NAMES;
    const x = axis(points.map((point) => point.x), cost.axis, cost.log);
    const place = (point) => x.at(point.x);
    const title = `${groupName(group)}: score against ${cost.words}`;
    const svg = plotOf({
      width, height: 400, x: { ...x.options, grid: true, inset: 14 }, y: { label: group.metric, labelArrow: "none", grid: true, nice: true, inset: 6 },
      marks: [
        Plot.line(front, { x: place, y: "y", curve: "step-after", stroke: "currentColor", strokeDasharray: "5 4", strokeOpacity: 0.6 }),
        Plot.ruleX(points.filter((point) => isNumber(point.low)), { x: place, y1: "low", y2: "high", stroke: (point) => colorOf(point.label), strokeOpacity: 0.6 }),
        Plot.dot(points, { x: place, y: "y", r: 4.5, fill: (point) => colorOf(point.label), symbol: (point) => symbolOf(point.label) }),
        Plot.tip(points, Plot.pointer({ x: place, y: "y", title: (point) =>
          `${point.label}\n${group.metric} ${score(point.y)}${isNumber(point.low) ? ` [${score(point.low)}, ${score(point.high)}]` : ""}\n${cost.axis} ${short(point.x)}${front.includes(point) ? "\non the Pareto front" : ""}` })),
      ],
      symbol: { type: "identity" },
    }, few ? points.map((point) => point.label) : [], title);
    return { svg, name: title };
  }, "Dashed: the Pareto front. No row costs as little and scores more than a row on it. Bars: intervals of 95 %.");
  const redraw = () => live.show();
  const table = live.add(choice("Table", groupChoices(groups), redraw));
  const against = live.add(choice("Against", data.costs.map((cost, place) => [String(place), cost.words]), redraw));
  live.start();
}

// A list of steps and values in turn, as points.
const pointsOf = (flat, more) => Array.from({ length: flat.length / 2 }, (_, i) => ({ x: flat[2 * i], y: flat[2 * i + 1], ...more }));

function startCurves() {
  const section = document.getElementById("curves");
  const groups = data.groups.filter((group) => data.curves.some((curve) => group.rows.includes(curve.row)));
  if (!section || !groups.length) return;
  const live = new LivePlot(section, (width) => {
    const group = data.groups[table.value], validation = what.value === "score";
    const curves = data.curves.filter((curve) => group.rows.includes(curve.row) && (of.value === "all" || curve.row === Number(of.value)));
    const points = curves.flatMap((curve) => pointsOf(validation ? curve.score : curve.loss, { run: `${curve.row} ${curve.seed}`, label: rows.label[curve.row], seed: curve.seed }));
    if (!points.length) return null;
    const names = [...new Set(points.map((point) => point.label))];
    const title = `${groupName(group)}: ${validation ? "validation score" : "loss"} in training`;
    const svg = plotOf({
      width, height: 380, x: { label: "steps", labelArrow: "none", grid: true, tickFormat: short },
      y: { label: validation ? `${curves[0].metric} (validation)` : "loss of a batch", labelArrow: "none", grid: true, nice: true },
      marks: [
        Plot.line(points, { x: "x", y: "y", z: "run", stroke: (point) => colorOf(point.label), strokeWidth: 1.5, strokeOpacity: points.length > 3000 ? 0.5 : 0.85 }),
        Plot.dot(points, { x: "x", y: "y", r: points.length > 600 ? 0 : 2, fill: (point) => colorOf(point.label) }),
        Plot.tip(points, Plot.pointer({ x: "x", y: "y", title: (point) => `${point.label}, seed ${point.seed}\nstep ${point.x}\n${Number(point.y.toPrecision(4))}` })),
      ],
    }, names, title);
    return { svg, name: title };
  }, data.thinned ? "Long curves are thinned: each point shown is one of the run's own." : "");
  const rowChoices = () => [["all", "all rows"], ...data.groups[table.value].rows.filter((r) => data.curves.some((curve) => curve.row === r)).map((r) => [String(r), rows.label[r]])];
  const redraw = () => live.show();
  const table = live.add(choice("Table", groupChoices(groups), () => {
    of.replaceChildren(...rowChoices().map(([value, text]) => element("option", { value }, text)));
    redraw();
  }));
  const what = live.add(choice("Curve", [["score", "validation score"], ["loss", "training loss"]], redraw));
  const of = live.add(choice("Row", rowChoices(), redraw));
  if (!data.curves.some((curve) => curve.score.length)) what.value = "loss";
  live.start();
}

function startSearches() {
  const section = document.getElementById("searches");
  const of = (group) => data.searches.filter((search) => search.task === group.task && search.backbone === group.backbone && search.best.length);
  const groups = data.groups.filter((group) => of(group).length);
  if (!section || !groups.length) return;
  const live = new LivePlot(section, (width) => {
    const group = data.groups[table.value], searches = of(group);
    const points = searches.flatMap((search) => search.best.map((best, k) => ({ x: k + 1, y: best, label: search.row })));
    const title = `${groupName(group)}: expected best score of a search`;
    const svg = plotOf({
      width, height: 380, x: { label: "trials", labelArrow: "none", grid: true, interval: 1, type: "linear" },
      y: { label: `expected best ${searches[0].metric} (validation)`, labelArrow: "none", grid: true, nice: true },
      marks: [
        Plot.line(points, { x: "x", y: "y", z: "label", stroke: (point) => colorOf(point.label), strokeWidth: 1.6 }),
        Plot.dot(points, { x: "x", y: "y", r: 2.5, fill: (point) => colorOf(point.label) }),
        Plot.tip(points, Plot.pointer({ x: "x", y: "y", title: (point) => `${point.label}\nafter ${point.x} trials ${score(point.y)}` })),
      ],
    }, searches.map((search) => search.row), title);
    return { svg, name: title };
  });
  const table = live.add(choice("Table", groupChoices(groups), () => live.show()));
  live.start();
}

function startUsage() {
  const section = document.getElementById("usage");
  if (!section || !rows.share.some(isNumber)) return;
  const several = new Set(rows.size.filter(isNumber)).size > 1;
  const live = new LivePlot(section, (width) => {
    const values = by.value === "size" ? rows.size : rows.length;
    const seen = new Set(), points = [];
    rows.label.forEach((label, r) => {
      const key = `${label}\n${values[r]}`;
      if (!isNumber(rows.share[r]) || !isNumber(values[r]) || seen.has(key)) return;
      seen.add(key);
      points.push({ x: values[r], y: rows.share[r] * 100, label });
    });
    if (!points.length) return null;
    points.sort((a, b) => a.x - b.x);
    const x = axis(points.map((point) => point.x), by.value === "size" ? "parameters of the backbone" : "rows that the method adds to a sequence", by.value === "size");
    const y = axis(points.map((point) => point.y), "trained, % of all", true);
    const svg = plotOf({
      width, height: 400, x: { ...x.options, grid: true, inset: 10 }, y: { ...y.options, grid: true },
      marks: [
        Plot.line(points, { x: (point) => x.at(point.x), y: (point) => y.at(point.y), z: "label", stroke: (point) => colorOf(point.label) }),
        Plot.dot(points, { x: (point) => x.at(point.x), y: (point) => y.at(point.y), r: 4.5, fill: (point) => colorOf(point.label), symbol: (point) => symbolOf(point.label) }),
        Plot.tip(points, Plot.pointer({ x: (point) => x.at(point.x), y: (point) => y.at(point.y), title: (point) => `${point.label}\n${Number(point.y.toPrecision(3))} % trained\n${short(point.x)}` })),
      ],
      symbol: { type: "identity" },
    }, [...new Set(points.map((point) => point.label))], "Share of the parameters that is trained");
    return { svg, name: `trained share by ${by.value}` };
  });
  const by = live.add(choice("By", [["size", "size of the backbone"], ["length", "length added to a sequence"]], () => live.show()));
  if (!several) by.value = "length";
  live.start();
}
