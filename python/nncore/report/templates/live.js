// A training as the process that trains tells of it, by server-sent events. Names and words of it
// are text, never markup.
"use strict";
(() => {
  const SILENT_MS = 15000, AGAIN_MS = 2000, MOST_ROWS = 200;
  const OVER = new Set(["done", "measuring", "trained", "stopped", "failed"]);
  const at = (id) => document.getElementById(id);
  const state = { rows: [] };
  let source = null, heard = Date.now(), lostAt = null, ended = false, waiting = false;

  // -- the connection

  function connect() {
    if (ended) return;
    if (source) source.close();
    source = new EventSource("events");
    heard = Date.now();
    source.onopen = () => { heard = Date.now(); found(); };
    source.onmessage = (event) => { heard = Date.now(); found(); take(JSON.parse(event.data)); };
    source.addEventListener("alive", () => { heard = Date.now(); found(); });
    source.addEventListener("end", () => { ended = true; source.close(); found(); show(); });
    source.onerror = () => lost();
  }

  function lost() {
    if (ended) return;
    if (lostAt === null) {
      lostAt = new Date();
      const time = lostAt.toLocaleTimeString();
      at("lost").textContent = `The connection to the training was lost at ${time}. What is shown is as of then; trying again.`;
      at("lost").hidden = false;
      show();
    }
  }

  function found() {
    if (lostAt === null) return;
    lostAt = null;
    at("lost").hidden = true;
    at("lost").textContent = "";
    show();
  }

  setInterval(() => {
    if (ended) return;
    if (Date.now() - heard > SILENT_MS) { lost(); connect(); }
    else if (source && source.readyState === EventSource.CLOSED) connect();
  }, AGAIN_MS);

  function take(news) {
    if (news.rows) state.rows.splice(news.rows.from, Infinity, ...news.rows.rows);
    for (const [name, value] of Object.entries(news)) if (name !== "rows") state[name] = value;
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; show(); });
    if (document.hidden) { waiting = false; show(); }
  }

  // -- what is shown

  function show() {
    const phase = state.phase || { name: "preparing", words: "Connecting" };
    text("phase", phase.words);
    const look = { training: "training", stopping: "stopping", measuring: "training", done: "good", trained: "good", stopped: "good", failed: "bad" };
    at("lamp").className = `lamp ${lostAt === null ? look[phase.name] || "" : ""}`;
    at("stop-box").hidden = ended || lostAt !== null || !["preparing", "training"].includes(phase.name);
    about();
    progress(phase);
    curves();
    numbers();
    samples();
    report();
  }

  function about() {
    const facts = state.about || {};
    text("title", facts.title ? `Training on ${facts.title}` : "Training");
    text("about", facts.words || "");
  }

  function progress(phase) {
    const now = state.progress, rows = state.rows, last = rows[rows.length - 1];
    if (!now) { document.title = "Training – nncore"; return; }
    const over = OVER.has(phase.name);
    at("bar").value = now.share;
    at("bar").textContent = percent(now.share, 0);
    text("epoch", `${now.epoch.toLocaleString("en")} of ${now.epochs.toLocaleString("en")}`);
    text("left", over ? "over" : now.left === null ? "–" : duration(now.left));
    text("elapsed", `${duration(now.elapsed)} so far`);
    text("speed", now.per_second ? Math.round(now.per_second).toLocaleString("en") : "–");
    if (last) {
      const name = last.val_accuracy === undefined || last.val_accuracy === null ? "accuracy" : "val_accuracy";
      text("accuracy-name", name === "accuracy" ? "Accuracy in training" : "Accuracy in validation");
      text("accuracy", percent(last[name]));
      text("best", now.best === null ? "" : `best epoch: ${now.best.toLocaleString("en")}`);
    }
    document.title = `${over ? phase.words : percent(now.share, 0)} – nncore`;
  }

  function curves() {
    const rows = state.rows, now = state.progress;
    const line = (name, key, kind) => ({ name, kind, points: rows.map((row) => [row.epoch, row[key]]) });
    const inside = now && !OVER.has((state.phase || {}).name) ? now.inside : [];
    const best = now ? now.best : null;
    const mark = best !== null && rows.length > 1 ? { mark: best, markWords: `best epoch: ${best.toLocaleString("en")}` } : {};
    const current = { name: rows.length ? "" : "training, first epoch", kind: 0, points: inside, thin: true };
    liveChart.draw(at("loss-chart"), { lines: [line("training", "loss", 0), line("validation", "val_loss", 1), current], ...mark });
    liveChart.draw(at("accuracy-chart"), { lines: [line("training", "accuracy", 0), line("validation", "val_accuracy", 1)], percent: true, ...mark });
    at("no-curves").hidden = rows.length > 0 || inside.length > 0;
  }

  const COLUMNS = [["loss", "loss"], ["accuracy", "accuracy"], ["val_loss", "validation loss"], ["val_accuracy", "validation accuracy"], ["learning_rate", "learning rate"]];

  function numbers() {
    const rows = state.rows, shown = rows.slice(-MOST_ROWS).reverse();
    at("numbers").hidden = rows.length === 0;
    if (!at("numbers").open || !rows.length) return;
    const columns = COLUMNS.filter(([key]) => rows.some((row) => typeof row[key] === "number"));
    at("numbers-head").replaceChildren(...["epoch", ...columns.map(([, name]) => name)].map((name) => cell("th", name, "col")));
    at("numbers-body").replaceChildren(...shown.map((row) => {
      const line = document.createElement("tr");
      line.append(cell("th", `${row.epoch}`, "row"));
      line.append(...columns.map(([key]) => cell("td", value(row[key], key))));
      return line;
    }));
    text("numbers-left", shown.length < rows.length ? `the last ${shown.length} of ${rows.length}` : "");
  }

  function cell(kind, words, scope) {
    const made = document.createElement(kind);
    made.textContent = words;
    if (scope) made.scope = scope;
    return made;
  }

  function samples() {
    const pictures = state.pictures || [], answers = state.answers;
    at("samples-box").hidden = pictures.length === 0;
    if (!pictures.length) return;
    if (at("samples").children.length !== pictures.length) at("samples").replaceChildren(...pictures.map(picture));
    if (!answers) return;
    const right = answers.answers.filter((one) => one.right).length;
    text("samples-note", `After epoch ${answers.epoch}: ${right} of ${pictures.length} right. The bar is what the right class was given.`);
    answers.answers.forEach((answer, number) => answered(at("samples").children[number], answer));
  }

  function picture({ src, label, width, height, few_pixels: few }) {
    const item = document.createElement("li"), image = document.createElement("img");
    Object.assign(image, { src, width, height, alt: `picture of ${label}`, className: few ? "few-pixels" : "" });
    const bar = liveChart.element("svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
    bar.append(liveChart.element("rect", { class: "bar-ground", width: 100, height: 10 }), liveChart.element("rect", { class: "bar-value", width: 0, height: 10 }));
    const title = document.createElement("div"), verdict = document.createElement("div"), guesses = document.createElement("div");
    title.className = "verdict";
    title.append(named(label));
    item.append(image, title, bar, verdict, guesses);
    return item;
  }

  function answered(item, { top, right, true: given }) {
    const [, , bar, verdict, guesses] = item.children;
    verdict.textContent = right ? "✓ right" : "✗ wrong";
    verdict.className = right ? "good" : "bad";
    bar.lastChild.setAttribute("width", 100 * given);
    guesses.replaceChildren(...top.map(([name, probability]) => {
      const line = document.createElement("div"), share = document.createElement("span");
      line.className = "guess";
      share.textContent = percent(probability, 0);
      line.append(named(name), share);
      return line;
    }));
  }

  function named(words) {
    const made = document.createElement("bdi");
    made.className = "name";
    made.textContent = made.title = words;
    return made;
  }

  function report() {
    if (!state.report || at("report").src) return;
    text("report-path", state.report.path);
    at("report").addEventListener("load", fitReport);
    at("report").src = "report";
    at("report-box").hidden = false;
  }

  // As high as what is in it: one scroll bar is enough.
  function fitReport() {
    const inner = at("report").contentDocument;
    if (!inner || !inner.body) return;
    const fit = () => { at("report").style.height = `${Math.ceil(inner.body.getBoundingClientRect().height) + 4}px`; };
    new ResizeObserver(fit).observe(inner.body);
    fit();
  }

  // -- the button

  at("stop").addEventListener("click", () => ask(true));
  at("go-on").addEventListener("click", () => ask(false));
  at("really").addEventListener("click", async () => {
    ask(false);
    try {
      const answer = await fetch("stop", { method: "POST" });
      if (!answer.ok) throw new Error(answer.statusText);
    } catch {
      at("sure-words").textContent = "That did not get through. End the training now?";
      ask(true);
    }
  });

  function ask(open) {
    at("sure").hidden = !open;
    at("stop").hidden = open;
    at(open ? "go-on" : "stop").focus();
  }

  at("numbers").addEventListener("toggle", numbers);

  // -- words

  function text(id, words) {
    if (at(id).textContent !== words) at(id).textContent = words;
  }

  function value(number, key) {
    if (typeof number !== "number") return "–";
    return key.includes("accuracy") ? percent(number, 2) : `${+number.toPrecision(4)}`;
  }

  function percent(share, digits = 1) {
    return typeof share === "number" ? `${(100 * share).toFixed(digits)}%` : "–";
  }

  function duration(seconds) {
    if (seconds < 10) return `${seconds.toFixed(1)} s`;
    if (seconds < 100) return `${Math.round(seconds)} s`;
    if (seconds < 6000) return `${(seconds / 60).toFixed(1)} min`;
    return `${(seconds / 3600).toFixed(1)} h`;
  }

  connect();
})();
