// The picture on the canvas. Only what is in sight is drawn, and text only where it can be read.

const stage = document.getElementById("stage");
const canvas = document.getElementById("graph");
const pen = canvas.getContext("2d");
const view = {x: 0, y: 0, scale: 1, edges: [], selected: null, step: -1, colour: "none", queued: false};
let palette = {};

function readPalette() {
  const style = getComputedStyle(document.documentElement);
  palette = new Proxy({}, {
    get: (cache, name) => (cache[name] ||= style.getPropertyValue(`--${name}`).trim()),
  });
}

function current() {
  return view.step >= 0 ? nodes[data.order[view.step]] : null;
}

// 0 .. 1: where an item stands among all in what the colours show; undefined where it has none.
function heatOf(item) {
  if (view.colour === "checks") {
    return item.isGroup ? (item.failed ? 1 : undefined) : item.failed ? 1 : undefined;
  }
  const value = item[view.colour];
  if (!value || !Number.isFinite(value)) return value === Infinity ? 1 : undefined;
  const {low, high} = view.range;
  return high > low ? Math.log(value / low) / Math.log(high / low) : 1;
}

function setColour(kind) {
  view.colour = kind;
  const values = nodes.map((node) => node[kind]).filter((v) => v > 0 && Number.isFinite(v));
  const high = Math.max(0, ...groups.slice(1).map((g) => g[kind]), ...values.slice(0, 50000));
  // Five decades say enough.
  const low = Math.max(values.reduce((a, b) => Math.min(a, b), Infinity), high / 1e5);
  view.range = {low, high};
  const legend = document.getElementById("legend");
  const show = {forward: seconds, backward: seconds, bytes: bytes, gradient: number}[kind];
  legend.hidden = !show && kind !== "checks";
  legend.replaceChildren();
  if (show && values.length) legend.append(show(low), document.createElement("i"), show(high));
  else if (kind === "checks") legend.append(checksSummary());
  else legend.append("not recorded");
  redraw();
}

function mix(from, to, share) {
  const parse = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const [a, b] = [parse(from), parse(to)];
  return `rgb(${a.map((c, i) => Math.round(c + (b[i] - c) * share)).join(" ")})`;
}

function fillOf(item) {
  const heat = view.colour === "none" ? undefined : heatOf(item);
  const cold = item.isLeaf ? palette.leaf : item.isGroup ? palette["group-deep"] : palette.node;
  if (view.colour === "checks" && heat === 1) return mix(cold, palette.bad, 0.45);
  if (heat !== undefined) return mix(cold, palette.heat, 0.12 + 0.75 * Math.max(0, heat));
  if (!item.isGroup && view.step >= 0 && item.step >= 0 && item.step <= view.step) {
    return palette["gradient-soft"];
  }
  return cold;
}

function box(x, y, w, h, radius) {
  pen.beginPath();
  pen.roundRect(x, y, w, h, radius);
}

function strokeOf(item) {
  const now = current();
  // Never so thin that nothing is left of it on the screen.
  const thin = Math.max(1, 0.6 / view.scale);
  if (now && visible(now) === item) return [palette.gradient, 3 * thin];
  if (view.selected === item) return [palette.accent, 2.5 * thin];
  return [item.isLeaf ? palette["leaf-line"] : palette["node-line"], thin];
}

function inSight(x, y, w, h, sight) {
  return x < sight.right && x + w > sight.left && y < sight.bottom && y + h > sight.top;
}

function drawText(item) {
  if (view.scale < 0.22) return;
  const middle = item.ax + item.w / 2;
  const two = item.below && view.scale > 0.6;
  const name = item.isGroup ? `▸ ${item.shown}` : item.shown;
  // A name alone is written as large as its box allows.
  const room = (12 * (item.w - 8)) / textWidth(name, fonts.node);
  const size = two ? 12 : Math.max(12, Math.min(20, room));
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillStyle = palette.text;
  pen.font = `600 ${size}px system-ui, sans-serif`;
  pen.fillText(name, middle, item.ay + item.h / 2 - (two ? 7 : 0));
  if (!two) return;
  pen.fillStyle = palette.muted;
  pen.font = fonts.small;
  pen.fillText(item.below, middle, item.ay + item.h / 2 + 10);
}

// How much of a closed group the backward pass has been through.
function drawProgress(group) {
  if (view.step < 0 || !group.ran) return;
  pen.fillStyle = palette.gradient;
  const width = (group.w - 16) * Math.min(1, group.ran / group.count);
  pen.fillRect(group.ax + 8, group.ay + group.h - 6, width, 3);
}

function frameColour(group) {
  return group.depth % 2 ? palette.group : palette["group-deep"];
}

function drawFrame(group) {
  pen.fillStyle = frameColour(group);
  box(group.ax, group.ay, group.w, group.h, 10);
  pen.fill();
  [pen.strokeStyle, pen.lineWidth] =
    view.selected === group ? [palette.accent, 2.5] : [palette.line, Math.max(1, 0.6 / view.scale)];
  pen.stroke();
}

// A frame's title stays readable, as far as the frame has room for it, above all that is within.
function drawTitle(group, sight) {
  const title = `▾ ${group.name}`;
  const natural = textWidth(title, fonts.node);
  const size = Math.max(12, Math.min(11 / view.scale, 12 + group.h / 10, (12 * (group.w - 24)) / natural));
  if (size * view.scale < 5) return;
  pen.font = `600 ${size}px system-ui, sans-serif`;
  pen.textAlign = "left";
  pen.textBaseline = "top";
  // It stays in sight with its frame, below the titles of the frames around.
  const stuck = sight.top + (6 + (group.depth - 1) * 20) / view.scale;
  const y = Math.min(Math.max(group.ay + 8, stuck), group.ay + group.h - size - 4);
  const x = Math.max(group.ax, sight.left) + 10;
  pen.fillStyle = frameColour(group);
  pen.globalAlpha = 0.85;
  pen.fillRect(x - 4, y - 3, (natural * size) / 12 + 8, size + 5);
  pen.globalAlpha = 1;
  pen.fillStyle = palette.muted;
  pen.fillText(title, x, y);
}

function drawFrames(group, sight) {
  for (const inner of group.groups.values()) {
    if (!inner.open || !inSight(inner.ax, inner.ay, inner.w, inner.h, sight)) continue;
    drawFrame(inner);
    drawFrames(inner, sight);
  }
}

function drawTitles(group, sight) {
  for (const inner of group.groups.values()) {
    if (!inner.open || !inSight(inner.ax, inner.ay, inner.w, inner.h, sight)) continue;
    drawTitles(inner, sight);
    drawTitle(inner, sight);
  }
}

function drawItems(group, sight) {
  for (const item of group.items) {
    if (!inSight(item.ax, item.ay, item.w, item.h, sight)) continue;
    if (item.isGroup && item.open) {
      drawItems(item, sight);
      continue;
    }
    pen.fillStyle = fillOf(item);
    [pen.strokeStyle, pen.lineWidth] = strokeOf(item);
    if (item.isGroup) {
      // As of a pile of cards.
      box(item.ax + 4, item.ay + 4, item.w, item.h, 8);
      pen.fill();
      pen.stroke();
    }
    box(item.ax, item.ay, item.w, item.h, item.isLeaf ? item.h / 2 : 7);
    pen.fill();
    pen.stroke();
    drawText(item);
    if (item.isGroup) drawProgress(item);
  }
}

// The edge from its point `begin` on.
function traceEdge(edge, begin) {
  const points = edge.points;
  pen.beginPath();
  pen.moveTo(points[begin].x, points[begin].y);
  for (let i = begin + 1; i < points.length; ++i) {
    const [a, b] = [points[i - 1], points[i]];
    const bend = b.y > a.y ? (b.y - a.y) / 2 : 40;
    if (a.x === b.x && b.y > a.y) pen.lineTo(b.x, b.y);
    else pen.bezierCurveTo(a.x, a.y + bend, b.x, b.y - bend, b.x, b.y);
  }
}

// An arrow's head at an end of an edge; it points down into the user, or up against it.
function drawHead(point, up) {
  const [width, height] = [4.5, up ? 8 : -8];
  pen.beginPath();
  pen.moveTo(point.x, point.y);
  pen.lineTo(point.x - width, point.y + height);
  pen.lineTo(point.x + width, point.y + height);
  pen.fill();
}

function drawEdge(edge, begin, colour, width, up) {
  pen.strokeStyle = pen.fillStyle = colour;
  pen.lineWidth = width * Math.max(1, 0.4 / view.scale);
  traceEdge(edge, begin);
  pen.stroke();
  if (view.scale > 0.3) drawHead(up ? edge.points[0] : edge.points[edge.points.length - 1], up);
}

function touches(edge, item) {
  return item && (edge.from === item || edge.to === item);
}

function drawEdges(sight) {
  const now = current();
  const running = now && visible(now);
  const receiving = new Set(now ? now.inputs.filter((i) => i.gradient).map((i) => visible(nodes[i.node])) : []);
  const chosen = view.selected && visible(view.selected);
  const marked = [];
  for (const edge of view.edges) {
    const [left, top, right, bottom] = edge.box;
    if (!inSight(left, top, right - left, bottom - top, sight)) continue;
    const flows = edge.to === running && receiving.has(edge.from);
    if (flows || (!running && touches(edge, chosen))) marked.push(edge);
    else {
      pen.globalAlpha = touches(edge, chosen) ? 1 : 0.6;
      drawEdge(edge, edge.parting, palette.edge, Math.min(4, 1 + Math.log2(edge.count) / 2), false);
    }
  }
  pen.globalAlpha = 1;
  for (const edge of marked) {
    if (running) drawEdge(edge, 0, palette.gradient, 2.5, true);
    else drawEdge(edge, 0, palette.accent, 2, false);
  }
}

// What the running node gives to each of its inputs, written beside the arrows.
function drawFlows() {
  const now = current();
  if (!now || view.scale < 0.34) return;
  pen.font = fonts.small;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  const given = new Map();
  for (const input of now.inputs) {
    if (input.node < 0 || !input.gradient) continue;
    const to = visible(nodes[input.node]);
    const label = `|g| ${number(Number(input.gradient[8]))}`;
    given.set(to, given.has(to) ? `${given.get(to)}, ${label}` : label);
  }
  for (const [to, label] of given) {
    if (to === visible(now)) continue;
    const width = textWidth(label, fonts.small) + 12;
    const [x, y] = [to.ax + to.w / 2, to.ay + to.h + 15];
    box(x - width / 2, y - 9, width, 18, 9);
    pen.fillStyle = palette["gradient-soft"];
    pen.fill();
    pen.strokeStyle = palette.gradient;
    pen.lineWidth = 1;
    pen.stroke();
    pen.fillStyle = palette.text;
    pen.fillText(label, x, y + 0.5);
  }
}

function draw() {
  view.queued = false;
  const ratio = window.devicePixelRatio || 1;
  const {clientWidth: width, clientHeight: height} = stage;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const {x, y, scale} = view;
  pen.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * x, ratio * y);
  const sight = {
    left: -x / scale, top: -y / scale, right: (width - x) / scale, bottom: (height - y) / scale,
  };
  drawFrames(root, sight);
  drawEdges(sight);
  drawItems(root, sight);
  drawTitles(root, sight);
  drawFlows();
}

function redraw() {
  if (view.queued) return;
  view.queued = true;
  requestAnimationFrame(draw);
}

function fit() {
  const {clientWidth: width, clientHeight: height} = stage;
  view.scale = Math.min(1.25, (width - 16) / root.w, (height - 16) / root.h);
  view.x = (width - root.w * view.scale) / 2;
  view.y = (height - root.h * view.scale) / 2;
  view.fitted = fit;
  redraw();
}

// The whole graph, or of one that is too large to be read so its end, where the backward pass
// begins.
function begin() {
  fit();
  if (view.scale < 0.6) {
    const {clientWidth: width, clientHeight: height} = stage;
    const last = visible(nodes[nodes.length - 1]);
    view.scale = 0.8;
    view.x = width / 2 - (last.ax + last.w / 2) * view.scale;
    view.y = height - 10 - root.h * view.scale;
  }
  view.fitted = begin;
}

function zoom(factor, x, y) {
  const scale = Math.min(4, Math.max(0.02, view.scale * factor));
  view.fitted = null;
  view.x = x - ((x - view.x) * scale) / view.scale;
  view.y = y - ((y - view.y) * scale) / view.scale;
  view.scale = scale;
  redraw();
}

// Moves the picture so that an item stands in the middle; no further than needed if `gently`.
function centre(item, gently) {
  const {clientWidth: width, clientHeight: height} = stage;
  if (view.scale < 0.45) view.scale = 0.8;
  const x = view.x + (item.ax + item.w / 2) * view.scale;
  const y = view.y + (item.ay + Math.min(item.h, height / view.scale) / 2) * view.scale;
  const margin = Math.min(110, width / 4, height / 4);
  const outside = x < margin || y < margin || x > width - margin || y > height - margin;
  if (!gently || outside) {
    view.fitted = null;
    view.x += width / 2 - x;
    view.y += height / 2 - y;
  }
  redraw();
}

// Lays out again after groups were opened or closed; `still` stays where it is on the screen.
function update(still) {
  const before = still && still.ax !== undefined ? [still.ax, still.ay] : null;
  view.edges = layOut();
  if (before) {
    view.x += (before[0] - still.ax) * view.scale;
    view.y += (before[1] - still.ay) * view.scale;
  }
  redraw();
}

// What is drawn at a point of the canvas; null for the background.
function itemAt(x, y) {
  const px = (x - view.x) / view.scale;
  const py = (y - view.y) / view.scale;
  let found = null;
  for (let group = root; group;) {
    const inside = (item) =>
      px >= item.ax && px <= item.ax + item.w && py >= item.ay && py <= item.ay + item.h;
    const item = group.items.find(inside);
    if (item) found = item;
    group = item && item.isGroup && item.open ? item : null;
  }
  return found;
}
