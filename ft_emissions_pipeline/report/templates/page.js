"use strict";
// What a reader does with the page: sort, filter and page tables, take them along as CSV, open how a
// figure was made, choose models and period of the charts. No figure is made here but sums of days.

const PAGE_SIZES = [10, 25, 100];
const MOST_MODELS = 8;
const DRAWN_AT_FIRST = 3;
const FAR_APART = 20; // ratio above which an axis is logarithmic at first, and bars are shares
const MARKED_POINTS = 62;
const DAY_MS = 86400e3;
const COLOURS = ["#3b7dd8", "#d97f24", "#2a9d78", "#b35fa8", "#8f7f1e", "#7a7f87", "#cf5450", "#3f9fb8"];
const DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [1, 3], [10, 3], [3, 6]];
const METRICS = {
  carbon: {
    words: "Carbon per inference", unit: "gCO2e", amount: "allocated_kgco2e", amountUnit: "kgCO2e",
    ratio: "gco2e_per_inference", parts: ["operational", "embodied"], colours: [0, 1],
  },
  water: {
    words: "Water per inference", unit: "mL", amount: "allocated_water_l", amountUnit: "L",
    ratio: "water_ml_per_inference", parts: ["on-site", "electricity", "embodied"], colours: [2, 0, 1],
  },
};

const byId = (id) => document.getElementById(id);
const known = (value) => value !== null && value !== undefined;

function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function button(text, act, attributes = {}) {
  const made = element("button", text, { type: "button", ...attributes });
  made.addEventListener("click", act);
  return made;
}

// Numbers and days in words

function significant(value, digits = 3) {
  if (!known(value)) return "unknown";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) return value.toExponential(digits - 1);
  return value.toLocaleString("en", { minimumSignificantDigits: size ? digits : 1, maximumSignificantDigits: digits });
}

const count = (value) => (known(value) ? Math.round(value).toLocaleString("en") : "unknown");
const isoDay = (day) => new Date(day * DAY_MS).toISOString().slice(0, 10);
const dayOf = (iso) => Math.floor(Date.parse(iso) / DAY_MS);

// CSV

// A cell that a spreadsheet would run gets the mark of text, as in every CSV of the pipeline.
function csvCell(value) {
  const text = known(value) ? String(value) : "";
  const safe = typeof value === "string" && /^[=+\-@]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const csvText = (rows) => rows.map((row) => row.map(csvCell).join(",") + "\n").join("");

function save(name, text) {
  const link = element("a", "", { download: `${name}.csv` });
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60e3);
}

const cellValue = (cell) => (known(cell.dataset.value) ? Number(cell.dataset.value) : cell.textContent.trim());

function csvOfTable(table) {
  return csvText([...table.rows].map((row) => [...row.cells].map(cellValue)));
}

// Tables: sorted by a click on a heading, filtered by a word, shown in pages

function listing(table, csv) {
  const name = table.dataset.listing;
  const label = table.parentElement.getAttribute("aria-label");
  const whole = table.tBodies.length !== 1; // several bodies are groups, which are not sorted or paged
  const size = { rows: Number(table.dataset.page), page: 0 };
  const bar = element("div", "", { class: "bar", role: "group", "aria-label": `${label}: rows` });
  const told = element("span", "", { role: "status" });
  const find = element("input", "", { type: "search", "aria-label": `Filter ${label}`, placeholder: "Filter" });
  const sizes = element("select", "", { "aria-label": `Rows of ${label} at a time` });
  const step = (by) => () => { size.page += by; show(); };
  const back = button("Back", step(-1), { "aria-label": `Back in ${label}` });
  const next = button("Next", step(1), { "aria-label": `Next in ${label}` });
  const rows = () => (whole ? [] : [...table.tBodies[0].rows]);

  function show() {
    const word = find.value.trim().toLowerCase();
    const all = rows();
    const found = all.filter((row) => !word || row.textContent.toLowerCase().includes(word));
    size.page = Math.max(0, Math.min(size.page, Math.ceil(found.length / size.rows) - 1));
    const first = size.page * size.rows;
    const shown = new Set(found.slice(first, first + size.rows));
    for (const row of all) row.hidden = !shown.has(row);
    back.disabled = first === 0;
    next.disabled = first + size.rows >= found.length;
    told.textContent = found.length ? `${first + 1} to ${first + shown.size} of ${found.length}` : "no row";
    const few = all.length <= PAGE_SIZES[0];
    for (const part of [told, back, next, sizes, find]) part.hidden = whole || few;
  }

  function sort(heading, column) {
    const turn = heading.getAttribute("aria-sort") === "descending" ? 1 : -1;
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", turn > 0 ? "ascending" : "descending");
    const key = (row) => cellValue(row.cells[column]);
    const order = (a, b) => {
      const [left, right] = [key(a), key(b)];
      if (typeof left === "number" && typeof right === "number") return turn * (left - right);
      if (typeof left !== typeof right) return typeof left === "number" ? -1 : 1; // unknown comes last
      return turn * left.localeCompare(right, "en", { numeric: true });
    };
    table.tBodies[0].append(...rows().sort(order));
    size.page = 0;
    show();
  }

  if (!whole) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const act = button(heading.textContent, () => sort(heading, column), { class: "sort" });
      heading.replaceChildren(act);
    });
  }
  for (const rows of [...PAGE_SIZES, Infinity]) {
    sizes.append(element("option", rows === Infinity ? "all rows" : `${rows} rows`, { value: rows }));
  }
  sizes.value = String(size.rows);
  find.addEventListener("input", () => { size.page = 0; show(); });
  sizes.addEventListener("change", () => { size.rows = Number(sizes.value); show(); });
  const take = () => save(name, known(csv) ? csv : csvOfTable(table));
  bar.append(find, told, back, next, sizes, button("CSV", take, { "aria-label": `${label} as CSV` }));
  table.parentElement.before(bar);
  show();
  return {
    show,
    reveal(row) {
      find.value = "";
      size.page = Math.floor(rows().indexOf(row) / size.rows);
      show();
      row.scrollIntoView({ block: "center" });
    },
  };
}

// How a figure was made

function openDerivation(text) {
  byId("derivation-text").textContent = text;
  byId("derivation").showModal();
}

// Charts

// Rows of one model between two days; a hole is a row without a value, where the line breaks.
function drawn(model, label, metric, from, to, step) {
  const { day, inferences, provisional, ...columns } = model.points;
  const rows = [];
  let last = null;
  day.forEach((at, n) => {
    if (at < from || at > to || !(inferences[n] > 0)) return;
    if (last !== null && at - last > step) rows.push({ at: last + step, day: (last + step) * DAY_MS, model: label, value: null });
    last = at;
    rows.push({
      at, day: at * DAY_MS, model: label, inferences: inferences[n],
      value: (columns[metric.amount][n] * 1000) / inferences[n],
      low: columns[`${metric.ratio}_p05`][n], high: columns[`${metric.ratio}_p95`][n],
      status: provisional[n] ? "provisional" : "final",
    });
  });
  return rows;
}

function told(label, rows, unit) {
  const values = rows.filter((row) => known(row.value));
  if (!values.length) return `${label}: no day with inferences`;
  const newest = values.at(-1);
  const all = values.map((row) => row.value);
  const range = `${significant(Math.min(...all))} to ${significant(Math.max(...all))}`;
  return `${label}: ${values.length} ${values.length === 1 ? "point" : "points"} from ${isoDay(values[0].at)} to ` +
    `${isoDay(newest.at)}, values ${range}; newest ${significant(newest.value)} ` +
    `(${significant(newest.low)} to ${significant(newest.high)}) ${unit}`;
}

const LOOKS = {
  background: null, view: { stroke: null }, font: "system-ui, sans-serif",
  axis: {
    labelColor: "currentColor", titleColor: "currentColor", titleFontWeight: "normal", gridColor: "currentColor",
    gridOpacity: 0.14, domainColor: "currentColor", domainOpacity: 0.5, tickColor: "currentColor", tickOpacity: 0.5,
    labelFontSize: 12, titleFontSize: 12,
  },
  legend: { labelColor: "currentColor", labelFontSize: 12, labelLimit: 240, title: null, orient: "top", columns: 2, symbolOpacity: 1 },
};

function overTime(rows, labels, metric, logarithmic, words) {
  const shown = logarithmic ? rows.filter((row) => row.value === null || row.low > 0) : rows;
  const y = { type: "quantitative", scale: logarithmic ? { type: "log" } : { zero: true } };
  const axis = { title: `${metric.unit} per inference${logarithmic ? ", log scale" : ""}`, tickCount: 5, format: ".6~g", gridOpacity: logarithmic ? 0.07 : 0.14 };
  const few = shown.length <= MARKED_POINTS * labels.length;
  const tooltip = [
    { field: "model", title: "Model" },
    { field: "day", type: "temporal", timeUnit: "utcyearmonthdate", format: "%Y-%m-%d", title: "Day" },
    ...[["value", metric.unit], ["low", "5th percentile"], ["high", "95th percentile"]].map(([field, title]) => (
      { field, title, type: "quantitative", format: ".3~g" })),
    { field: "inferences", title: "Inferences", type: "quantitative", format: "," },
    { field: "status", title: "Status" },
  ];
  const layer = (mark, encoding) => ({ mark, encoding });
  return {
    description: words, width: "container", height: 280, autosize: { type: "fit-x", contains: "padding" },
    config: LOOKS, data: { values: shown },
    encoding: {
      x: { field: "day", type: "temporal", scale: { type: "utc" }, axis: { title: null, format: "%Y-%m-%d", tickCount: 4, grid: false, labelOverlap: true } },
      color: { field: "model", type: "nominal", scale: { domain: labels, range: COLOURS } },
    },
    layer: [
      layer({ type: "area", opacity: 0.16, aria: false }, { y: { ...y, field: "low", axis }, y2: { field: "high" } }),
      layer({ type: "line", strokeWidth: 1.8, aria: false }, {
        y: { ...y, field: "value", axis },
        strokeDash: { field: "model", type: "nominal", scale: { domain: labels, range: DASHES } },
      }),
      { transform: [{ filter: "isValid(datum.value)" }],
        ...layer({ type: "point", filled: true, size: few ? 26 : 40, opacity: few ? 1 : 0 }, { y: { ...y, field: "value", axis }, tooltip }) },
    ],
  };
}

function partsOf(models, labels, name, metric) {
  const totals = models.map((model) => model[name].reduce((sum, part) => sum + (part ?? 0), 0));
  const positive = totals.filter((total) => total > 0);
  const shares = positive.length > 1 && Math.max(...positive) / Math.min(...positive) > FAR_APART;
  const values = models.flatMap((model, n) => metric.parts.map((part, order) => (
    { model: labels[n], part, order, value: model[name][order] ?? 0 })));
  const words = `${shares ? "Shares of totals" : `Totals in ${metric.amountUnit}`}: ` + models.map((model, n) => (
    `${labels[n]} ${significant(totals[n])} ${metric.amountUnit}, of which ` +
    metric.parts.map((part, order) => `${significant(model[name][order])} ${part}`).join(", "))).join("; ") + ".";
  const spec = {
    description: words, width: "container", height: 26 * models.length + 40,
    config: LOOKS, data: { values }, mark: "bar",
    encoding: {
      y: { field: "model", type: "nominal", sort: labels, axis: { title: null, labelLimit: 130, domain: false, ticks: false } },
      x: { field: "value", type: "quantitative", stack: shares ? "normalize" : "zero",
        axis: { title: shares ? "share of the total" : metric.amountUnit, format: shares ? ".0%" : ".6~g", tickCount: 4 } },
      color: { field: "part", type: "nominal", scale: { domain: metric.parts, range: metric.colours.map((n) => COLOURS[n]) } },
      order: { field: "order" },
      tooltip: ["model", "part", { field: "value", type: "quantitative", format: ".3~g", title: metric.amountUnit }].map((each) => (
        typeof each === "string" ? { field: each } : each)),
    },
  };
  return { spec, words };
}

const views = {};

// The interpreter of expressions needs no eval, which the page's policy forbids.
async function draw(id, spec) {
  views[id]?.finalize();
  delete views[id];
  byId(id).replaceChildren();
  for (const name of ["role", "aria-roledescription", "aria-label"]) byId(id).removeAttribute(name);
  if (!spec.data.values.some((row) => known(row.value))) return;
  const options = { mode: "vega-lite", ast: true, actions: false, defaultStyle: false, renderer: "svg", tooltip: { disableDefaultStyle: true } };
  views[id] = await window.vegaEmbed(byId(id), spec, options);
}

function charts(data, values) {
  const models = data.models;
  const labels = models.map((model, n) => (
    models.some((other, m) => m !== n && other.name === model.name) ? `${model.name} (${n + 1})` : model.name));
  const withDays = models.flatMap((model, n) => (model.points.day.length ? [n] : []));
  const used = withDays.filter((n) => models[n].points.inferences.some((each) => each > 0));
  const chosen = new Set(used.slice(0, DRAWN_AT_FIRST));
  const boxes = new Map();
  let logarithmic = null; // until the reader says

  for (const n of withDays) {
    const box = element("input", "", { type: "checkbox" });
    box.checked = chosen.has(n);
    box.addEventListener("change", () => {
      if (box.checked) chosen.add(n); else chosen.delete(n);
      change();
    });
    const line = element("li");
    const label = element("label");
    label.append(box, element("bdi", labels[n]));
    line.append(label);
    byId("picks").append(line);
    boxes.set(n, { box, line });
  }

  function wholePeriod() {
    const days = [...chosen].flatMap((n) => [models[n].points.day[0], models[n].points.day.at(-1)]);
    if (!days.length) return;
    byId("from").value = isoDay(Math.min(...days));
    byId("to").value = isoDay(Math.max(...days));
  }

  function compared(n, from, to) {
    const { day, inferences, ...columns } = models[n].points;
    const at = day.flatMap((each, k) => (each >= from && each <= to ? [k] : []));
    const sum = (column) => at.reduce((total, k) => total + (column[k] ?? 0), 0);
    const served = sum(inferences);
    const [carbon, water] = [METRICS.carbon, METRICS.water].map((metric) => sum(columns[metric.amount]));
    return [labels[n], at.length, served, carbon, served ? (carbon * 1000) / served : null, water, served ? (water * 1000) / served : null];
  }

  async function update() {
    const metric = METRICS[byId("metric").value];
    const [from, to] = [dayOf(byId("from").value), dayOf(byId("to").value)];
    const picked = [...chosen].sort((a, b) => a - b);
    const names = picked.map((n) => labels[n]);
    for (const [n, { box }] of boxes) box.disabled = chosen.size >= MOST_MODELS && !chosen.has(n);
    const lines = picked.map((n) => drawn(models[n], labels[n], metric, from, to, data.stepDays));
    const rows = lines.flat();
    const positive = rows.map((row) => row.value).filter((value) => value > 0);
    const byDefault = positive.length > 0 && Math.max(...positive) / Math.min(...positive) > FAR_APART;
    byId("log").checked = logarithmic ?? byDefault;
    const words = `${metric.words}. ` + (picked.length
      ? picked.map((n, k) => told(labels[n], lines[k], metric.unit)).join("; ") + "."
      : "No model is chosen.");
    byId("over-time-told").textContent = words;
    byId("compared").tBodies[0].replaceChildren(...picked.map((n) => {
      const [label, days, served, ...figures] = compared(n, from, to);
      const row = element("tr");
      const name = element("th", "", { scope: "row", class: "name" });
      name.append(element("bdi", label));
      row.append(name, ...[count(days), count(served), ...figures.map((value) => significant(value))].map((text, k) => (
        element("td", text, { class: "n", ...([days, served, ...figures][k] === null ? {} : { "data-value": [days, served, ...figures][k] }) }))));
      return row;
    }));
    byId("values-body").replaceChildren(...rows.filter((row) => known(row.value)).map((row) => {
      const line = element("tr");
      const name = element("th", "", { scope: "row", class: "name" });
      name.append(element("bdi", row.model));
      line.append(name, element("td", isoDay(row.at)));
      for (const value of [row.value, row.low, row.high]) line.append(element("td", significant(value), { class: "n", "data-value": value ?? "" }));
      line.append(element("td", count(row.inferences), { class: "n", "data-value": row.inferences }), element("td", row.status));
      return line;
    }));
    values.show();
    const { spec, words: made } = partsOf(picked.map((n) => models[n]), names, byId("metric").value, metric);
    byId("parts-told").textContent = made;
    await draw("over-time", overTime(rows, names, metric, byId("log").checked, words));
    await draw("parts", spec);
    document.documentElement.dataset.drawn = `${byId("metric").value} ${rows.length}`;
  }

  // One drawing after the other, or an earlier one might be the last to end; only the newest choice.
  let [turn, newest] = [Promise.resolve(), 0];
  function change() {
    newest += 1;
    const mine = newest;
    turn = turn.then(() => (mine === newest ? update() : undefined));
    return turn;
  }

  byId("find").addEventListener("input", () => {
    const word = byId("find").value.trim().toLowerCase();
    for (const [n, { line }] of boxes) line.hidden = !labels[n].toLowerCase().includes(word);
  });
  for (const id of ["metric", "from", "to"]) byId(id).addEventListener("change", change);
  byId("log").addEventListener("change", () => { logarithmic = byId("log").checked; change(); });
  byId("whole").addEventListener("click", () => { wholePeriod(); change(); });
  byId("choice").addEventListener("submit", (event) => event.preventDefault());
  byId("choice").hidden = false;
  wholePeriod();
  return change();
}

function csvOfDays({ models, points }) {
  const { model, day, ...columns } = points;
  const rows = day.map((at, n) => [models[model[n]].csv, isoDay(at), ...Object.values(columns).map((column) => column[n])]);
  return csvText([["model_name", "date", ...Object.keys(columns)], ...rows]);
}

// Give each model its own part of the columns, which hold one model after the other.
function shareOut({ models, points }) {
  models.forEach((model, n) => {
    const [first, last] = [points.model.indexOf(n), points.model.lastIndexOf(n)];
    const own = ([name, column]) => [name, first < 0 ? [] : column.slice(first, last + 1)];
    model.points = Object.fromEntries(Object.entries(points).map(own));
  });
}

// The page

async function unpacked(id) {
  const bytes = Uint8Array.from(atob(byId(id).textContent), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

async function start() {
  const data = JSON.parse(await unpacked("packed"));
  shareOut(data);
  const listings = new Map();
  for (const table of document.querySelectorAll("table[data-listing]")) {
    listings.set(table, listing(table, data.csv[table.dataset.listing]));
  }
  document.addEventListener("click", (event) => {
    const figure = event.target.closest("[data-how]");
    if (figure) openDerivation(data.derivations[figure.dataset.how]);
    const link = event.target.closest("a[href^='#']");
    const row = link && byId(link.getAttribute("href").slice(1))?.closest("tr");
    if (row) listings.get(row.closest("table")).reveal(row);
  });
  byId("close").addEventListener("click", () => byId("derivation").close());
  for (const act of document.querySelectorAll("[data-csv='days']")) {
    act.addEventListener("click", () => save("days", csvOfDays(data)));
  }
  if (byId("choice")) {
    const script = element("script", await unpacked("vega"));
    document.head.append(script);
    await charts(data, listings.get(byId("values-body").closest("table")));
  }
  document.documentElement.dataset.ready = "yes";
}

start();
