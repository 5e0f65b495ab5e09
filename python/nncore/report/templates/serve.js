"use strict";
// Pictures that are dropped, pasted, chosen or photographed: each is sent by itself, and its answer
// is shown as it comes. Names of files and classes are only ever set as text.

const AT_ONCE = 4;
const MOST_LABELS = 5;
const MOST_RESULTS = 100;
const FEW_PIXELS = 64;
const MOST_NAMED = 10;
const COVERAGES = [0.95, 0.9];

const element = (id) => document.getElementById(id);
const say = (text) => { element("said").textContent = text; };
// For those who do not see the cards.
const tell = (text) => { element("heard").textContent = text; };
const waiting = [];
let working = 0;
let model = null;
let token = "";
try {
  token = sessionStorage.getItem("nncore-token") || "";
} catch {
  // Storage may be forbidden: then the token is asked for again.
}

const headers = () => (token ? { Authorization: `Bearer ${token}` } : {});

async function askForModel() {
  let answer;
  try {
    answer = await fetch("model", { headers: headers() });
  } catch {
    element("model").textContent = "The server does not answer.";
    return;
  }
  element("token-form").hidden = answer.status !== 401;
  if (!answer.ok) {
    element("model").textContent =
      answer.status === 401 ? "This server wants a token." : `The server answers ${answer.status}.`;
    element("token-wrong").textContent = answer.status === 401 && token ? "That is not the token." : "";
    return;
  }
  model = await answer.json();
  const [height, width] = model.input_shape;
  element("model").textContent =
    `${model.classes.length} classes, by a model that sees ${width} × ${height} pixels` +
    (model.file ? ` (${model.file}).` : ".");
  element("limits").textContent = `Up to ${megabytes(model.limits.body)} each.`;
  say("");
  work();
}

const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 20 ? 2 : 0)} MB`;
const milliseconds = (value) => `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;

function add(files) {
  say("");
  const list = element("results");
  for (const file of files) {
    const card = element("result").content.firstElementChild.cloneNode(true);
    card.querySelector(".name").textContent = file.name || "pasted picture";
    list.prepend(card);
    waiting.push({ file, card });
    while (list.children.length > MOST_RESULTS) forget(list.lastElementChild);
  }
  element("clear").hidden = !list.children.length;
  work();
}

function forget(card) {
  for (const image of card.querySelectorAll("img")) {
    if (image.src) URL.revokeObjectURL(image.src);
  }
  card.remove();
}

function work() {
  while (model && working < AT_ONCE && waiting.length) {
    const one = waiting.shift();
    working += 1;
    predict(one).finally(() => {
      working -= 1;
      work();
    });
  }
}

async function predict({ file, card }) {
  if (file.size > model.limits.body) {
    fail(card, `${megabytes(file.size)} are more than the server takes (${megabytes(model.limits.body)}).`);
    return;
  }
  show(card, file);
  const labels = Math.min(MOST_LABELS, model.classes.length);
  const coverage = COVERAGES.find((share) => share <= (model.largest_coverage || 0));
  const query = `top_k=${labels}` + (coverage ? `&coverage=${coverage}` : "");
  const began = performance.now();
  let answer, told;
  try {
    answer = await fetch(`predict?${query}`, { method: "POST", body: file, headers: headers() });
    told = await answer.json();
  } catch {
    fail(card, "The server does not answer.");
    return;
  }
  const took = performance.now() - began;
  if (answer.status === 401) element("token-form").hidden = false;
  if (!answer.ok) {
    fail(card, `${told.error[0].toUpperCase()}${told.error.slice(1)}.`);
    return;
  }
  const [found] = told.predictions;
  fill(card, found.top);
  doubt(card, found, coverage);
  const parts = serverTiming(answer.headers.get("server-timing") || "");
  card.querySelector(".took").textContent =
    `${milliseconds(took)} in all` +
    ("compute" in parts
      ? `, of which the server decoded for ${milliseconds(parts.decode)} and computed for ${milliseconds(parts.compute)}.`
      : ".");
  card.querySelector(".took").hidden = false;
  const button = card.querySelector(".look");
  button.hidden = false;
  button.addEventListener("click", () => look(file, card, found.label));
  tell(`${card.querySelector(".name").textContent}: ${found.label}, ${percent(found.probability)}`);
}

async function look(file, card, label) {
  const button = card.querySelector(".look");
  button.disabled = true;
  let answer;
  try {
    answer = await fetch("explain", { method: "POST", body: file, headers: headers() });
    if (!answer.ok) throw new Error((await answer.json()).error);
  } catch (error) {
    button.disabled = false;
    say(`No heat map: ${error.message}`);
    return;
  }
  const figure = card.querySelector(".heat");
  const image = figure.querySelector("img");
  image.addEventListener("load", () => {
    image.classList.toggle("few-pixels", Math.max(image.naturalWidth, image.naturalHeight) <= FEW_PIXELS);
  });
  image.src = URL.createObjectURL(await answer.blob());
  image.alt = `Heat map of what spoke for ${label}`;
  figure.querySelector("figcaption").textContent = `What spoke for ${label}: the brighter, the more.`;
  figure.hidden = false;
  button.hidden = true;
  tell(image.alt);
}

function serverTiming(text) {
  const parts = {};
  for (const [, name, value] of text.matchAll(/(\w+);dur=([\d.]+)/g)) parts[name] = Number(value);
  return parts;
}

function show(card, file) {
  const shown = card.querySelector(".shown");
  shown.addEventListener("load", () => {
    shown.classList.toggle("few-pixels", Math.max(shown.naturalWidth, shown.naturalHeight) <= FEW_PIXELS);
    shown.hidden = false;
  });
  // What browsers do not show, the server may read all the same.
  shown.addEventListener("error", () => { shown.hidden = true; });
  shown.src = URL.createObjectURL(file);
}

const percent = (share) => `${(100 * share).toFixed(1)}%`;

function fill(card, top) {
  const rows = card.querySelector("tbody");
  for (const { label, probability } of top) {
    const row = rows.insertRow();
    const head = document.createElement("th");
    head.scope = "row";
    const name = document.createElement("bdi");
    name.className = "name";
    name.textContent = label;
    head.append(name);
    row.append(head);
    row.insertCell().textContent = percent(probability);
    row.insertCell().append(bar(probability));
  }
  card.querySelector(".top").hidden = false;
  card.querySelector(".waits").hidden = true;
}

// Which classes it may be, and whether it is perhaps none of them.
function doubt(card, found, coverage) {
  // What sets promise holds for pictures like the known ones.
  if (found.set && !found.unknown) {
    const told = card.querySelector(".set");
    told.textContent = `In ${Math.round(100 * coverage)} of 100 cases one of: `;
    found.set.slice(0, MOST_NAMED).forEach((label, at) => {
      const name = document.createElement("bdi");
      name.textContent = label;
      told.append(at ? ", " : "", name);
    });
    const more = found.set.length - MOST_NAMED;
    if (more > 0) told.append(` and ${more} more`);
    told.hidden = false;
  }
  if (found.unknown) {
    const told = card.querySelector(".unknown");
    told.textContent =
      `Unlike the pictures that the model knows (score ${found.unknown_score.toFixed(2)}, above 1): ` +
      "perhaps none of its classes.";
    told.hidden = false;
  }
}

function bar(share) {
  const make = (name, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const drawn = make("svg", {
    class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true",
  });
  drawn.append(
    make("rect", { class: "bar-ground", width: 100, height: 10 }),
    make("rect", { class: "bar-value", width: 100 * share, height: 10 }),
  );
  return drawn;
}

function fail(card, text) {
  card.querySelector(".waits").hidden = true;
  card.querySelector(".failed").textContent = text;
  card.querySelector(".failed").hidden = false;
  tell(`${card.querySelector(".name").textContent}: ${text}`);
}

for (const id of ["files", "camera"]) {
  element(id).addEventListener("change", (event) => {
    add([...event.target.files]);
    event.target.value = ""; // the same file may be chosen again
  });
}

// The whole window takes pictures: one that misses the box must not replace the page.
addEventListener("dragover", (event) => {
  event.preventDefault();
  element("drop").classList.add("over");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) element("drop").classList.remove("over");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  element("drop").classList.remove("over");
  const files = [...event.dataTransfer.files];
  if (files.length) add(files);
  else say("There is no file in what was dropped.");
});
addEventListener("paste", (event) => {
  if (event.target === element("token")) return;
  const files = [...event.clipboardData.files];
  if (files.length) add(files);
  else say("There is no picture in the clipboard.");
});

element("clear").addEventListener("click", () => {
  waiting.length = 0;
  for (const card of [...element("results").children]) forget(card);
  element("clear").hidden = true;
  say("");
  tell("");
  element("files").focus();
});

element("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = element("token").value.trim();
  try {
    sessionStorage.setItem("nncore-token", token);
  } catch {
    // As above.
  }
  askForModel();
});

askForModel();
