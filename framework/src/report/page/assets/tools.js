// What the other files use: elements, numbers as the tables write them, SVG files.

const data = JSON.parse(document.getElementById("data").textContent);
const rows = data.rows;
data.pairs = data.pairs.map(([a, b, difference, low, high, p, adjusted, test, on]) => (
  { a, b, difference, low, high, p, adjusted, test: data.names[test], on: data.names[on] }));
data.curves = data.curves.map(([row, seed, metric, score, loss]) => ({ row, seed, metric: data.names[metric], score, loss }));

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("aria-") || key === "for" || key === "role") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

// A choice with its label. `options` are pairs of value and text.
function choice(label, options, changed) {
  const select = element("select", {}, ...options.map(([value, text]) => element("option", { value }, text)));
  select.addEventListener("change", changed);
  return { select, label: element("label", {}, label, select) };
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const score = (value) => (isNumber(value) ? value.toFixed(3) : "–");
const signed = (value) => (isNumber(value) ? (value < 0 ? "−" : "+") + Math.abs(value).toFixed(3) : "–");
const probability = (value) => (!isNumber(value) ? "–" : value < 0.0005 ? "< 0.001" : value.toFixed(3));

// 1.5k, 30M, as on the axes of the static plots.
function short(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e21 || size < 1e-4) return value.toExponential(1);
  const units = ["", "k", "M", "G", "T", "P", "E"];
  let unit = 0;
  while (Math.abs(value) >= 999.95 && unit < 6) {
    value /= 1000;
    ++unit;
  }
  return Number(value.toPrecision(4)) + units[unit];
}

const groupName = (group) => `${group.task} on ${group.backbone}`;
const groupChoices = (groups) => groups.map((group) => [String(data.groups.indexOf(group)), groupName(group)]);

const SVG = "http://www.w3.org/2000/svg";

function svgElement(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// The plot as it is seen, as a file of its own.
function saveSvg(svg, name) {
  const copy = svg.cloneNode(true);
  const seen = getComputedStyle(svg);
  copy.setAttribute("xmlns", SVG);
  copy.style.color = seen.color;
  copy.style.background = getComputedStyle(document.body).backgroundColor;
  copy.style.fontFamily = "system-ui, sans-serif";
  copy.style.setProperty("--plot-background", copy.style.background);
  copy.querySelectorAll("[aria-label=tip]").forEach((tip) => tip.remove());
  const address = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" }));
  element("a", { href: address, download: `${name}.svg` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

const fileName = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 80);
