// Lines over epochs as the report draws them, redrawn while numbers come in.
"use strict";
const liveChart = (() => {
  const WIDTH = 400, HEIGHT = 240, LEFT = 52, RIGHT = 388, TOP = 10, BOTTOM = 202;
  const MOST_POINTS = 400, DOTS_UP_TO = 25;

  function element(name, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // At most about `most` round values from low to high; whole ones on request.
  function ticks(low, high, most, whole) {
    if (!(high > low)) return [low];
    const least = (high - low) / most, power = 10 ** Math.floor(Math.log10(least));
    let step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= least * (1 - 1e-9));
    if (whole) step = Math.max(1, Math.ceil(step));
    const found = [];
    for (let at = Math.ceil(low / step - 1e-9); at <= Math.floor(high / step + 1e-9); at++) found.push(at * step);
    return found;
  }

  function thinned(points) {
    if (points.length <= MOST_POINTS) return points;
    const last = points.length - 1;
    return Array.from({ length: MOST_POINTS }, (_, at) => points[Math.round((at * last) / (MOST_POINTS - 1))]);
  }

  function limits(values, percent) {
    let low = Infinity, high = -Infinity;
    for (const value of values) { low = Math.min(low, value); high = Math.max(high, value); }
    const room = 0.06 * (high - low) || 0.05 * Math.abs(high) || 0.05;
    low -= room; high += room;
    return percent ? [Math.max(0, low), Math.min(1, high)] : [low, high];
  }

  const label = (value, percent) => (percent ? `${+(100 * value).toPrecision(4)}%` : `${+value.toPrecision(4)}`);

  // lines: [{name, kind, points: [[x, y]], thin}]; mark: x of what stands out, with its words.
  function draw(figure, { lines, percent, mark, markWords }) {
    const svg = figure.querySelector(":scope > svg"), legend = figure.querySelector(".legend");
    const drawn = lines.map((line) => ({ ...line, points: line.points.filter(([, y]) => y !== null && y !== undefined) }))
      .filter((line) => line.points.length);
    figure.hidden = drawn.length === 0;
    if (figure.hidden) return;
    const all = drawn.flatMap((line) => line.points);
    const xs = all.map(([x]) => x), ys = all.map(([, y]) => y);
    let [x0, x1] = [Math.min(1, ...thinned(xs)), Math.max(...thinned(xs))];
    if (x1 <= x0) x1 = x0 + 1;
    const [y0, y1] = limits(ys, percent);
    const px = (x) => LEFT + 6 + ((x - x0) / (x1 - x0)) * (RIGHT - LEFT - 12);
    const py = (y) => BOTTOM - ((y - y0) / (y1 - y0 || 1)) * (BOTTOM - TOP);
    const parts = [];
    for (const y of ticks(y0, y1, 5)) {
      parts.push(element("path", { class: "grid", d: `M${LEFT} ${py(y).toFixed(1)}H${RIGHT}` }));
      parts.push(element("text", { class: "tick", "text-anchor": "end", x: LEFT - 6, y: py(y) + 4 }, label(y, percent)));
    }
    for (const x of ticks(x0, x1, 6, true)) {
      parts.push(element("text", { class: "tick", "text-anchor": "middle", x: px(x), y: BOTTOM + 16 }, x.toLocaleString("en")));
    }
    parts.push(element("path", { class: "axis", d: `M${LEFT} ${BOTTOM}H${RIGHT}` }));
    parts.push(element("text", { class: "tick", "text-anchor": "middle", x: (LEFT + RIGHT) / 2, y: HEIGHT - 4 }, "Epoch"));
    if (mark !== undefined) parts.push(element("path", { class: "mark", d: `M${px(mark).toFixed(1)} ${TOP}V${BOTTOM}` }));
    for (const { kind, points, thin } of drawn) {
      const places = thinned(points).map(([x, y]) => [px(x).toFixed(1), py(y).toFixed(1)]);
      const look = `line line-${kind}${thin ? " now-line" : ""}`;
      parts.push(element("path", { class: look, d: places.map(([x, y], at) => `${at ? "L" : "M"}${x} ${y}`).join("") }));
      if (!thin && places.length <= DOTS_UP_TO) {
        for (const [x, y] of places) parts.push(element("circle", { class: `dot line-${kind}`, cx: x, cy: y, r: 2.5 }));
      }
    }
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.replaceChildren(...parts);
    const keys = drawn.filter((line) => line.name).map((line) => key(`line line-${line.kind}`, "M1 5H27", line.name));
    if (mark !== undefined) keys.push(key("mark", "M14 0V10", markWords));
    legend.replaceChildren(...keys);
  }

  function key(look, path, words) {
    const item = document.createElement("li");
    const svg = element("svg", { class: "key", viewBox: "0 0 28 10", "aria-hidden": "true" });
    svg.append(element("path", { class: look, d: path }));
    item.append(svg, words);
    return item;
  }

  return { draw, element };
})();
