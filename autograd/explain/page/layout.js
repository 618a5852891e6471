// A layered layout (after Sugiyama, Tagawa & Toda 1981) of every open group by itself: inputs at the
// top, an item below all that it reads. An edge over several layers runs through a point in each,
// which all edges of one source share.

const measure = document.createElement("canvas").getContext("2d");
const fonts = {node: "600 12px system-ui, sans-serif", small: "11px system-ui, sans-serif"};
const textWidths = new Map();
function textWidth(string, font) {
  const key = font + string;
  if (!textWidths.has(key)) {
    measure.font = font;
    textWidths.set(key, measure.measureText(string).width);
  }
  return textWidths.get(key);
}

const layout = {between: 22, margin: 14, head: 26, layerGap: 30, pointWidth: 6, mostPoints: 20000};

function clipped(string, length) {
  return string.length > length ? string.slice(0, length - 1) + "…" : string;
}

function sizeOf(item) {
  if (!item.isGroup) {
    item.shown = clipped(item.short, 30);
    item.below = clipped(item.shape, 34);
    const width = Math.max(textWidth(item.shown, fonts.node), textWidth(item.below, fonts.small));
    return {w: Math.max(52, width + 22), h: 38};
  }
  if (item.open) return layOutGroup(item);
  item.shown = clipped(item.name, 30);
  item.below = `${item.count} node${item.count === 1 ? "" : "s"}`;
  const width = Math.max(textWidth(item.shown, fonts.node), textWidth(item.below, fonts.small));
  return {w: Math.max(96, width + 44), h: 46};
}

// An order in which every item comes after its sources; where there are circles, by the mean number
// of the nodes within.
function ordered(items) {
  const mean = (item) => (item.isGroup ? item.sum / item.count : item.index);
  const waiting = new Map(items.map((item) => [item, item.sources.size]));
  const byMean = [...items].sort((a, b) => mean(a) - mean(b));
  const ready = byMean.filter((item) => item.sources.size === 0);
  const result = [];
  let next = 0;
  while (result.length < items.length) {
    if (!ready.length) {
      while (!waiting.has(byMean[next])) next += 1;
      ready.push(byMean[next]);
    }
    const item = ready.shift();
    if (!waiting.delete(item)) continue;
    result.push(item);
    for (const target of item.targets) {
      if (!waiting.has(target)) continue;
      waiting.set(target, waiting.get(target) - 1);
      if (waiting.get(target) === 0) ready.push(target);
    }
  }
  return result;
}

function assignLayers(items) {
  const order = ordered(items);
  order.forEach((item, place) => { item.place = place; item.layer = 0; });
  for (const item of order) {
    for (const target of item.targets) {
      if (target.place > item.place) target.layer = Math.max(target.layer, item.layer + 1);
    }
  }
  // What reads nothing stands right above what reads it.
  for (const item of order) {
    if ([...item.sources].some((source) => source.place < item.place)) continue;
    const below = [...item.targets].filter((target) => target.place > item.place);
    if (below.length) item.layer = Math.min(...below.map((target) => target.layer)) - 1;
  }
  return order;
}

// The layers with the points of long edges in them; `up` and `down` are the neighbours in the layers
// above and below.
function makeLayers(order) {
  const layers = [];
  const put = (item, layer) => {
    while (layers.length <= layer) layers.push([]);
    item.up = [];
    item.down = [];
    layers[layer].push(item);
  };
  for (const item of order) put(item, item.layer);
  let points = 0;
  for (const item of order) {
    item.chain = new Map();
    const below = [...item.targets].filter((target) => target.layer > item.layer);
    const last = Math.max(item.layer, ...below.map((target) => target.layer));
    const long = points + last - item.layer < layout.mostPoints;
    for (let layer = item.layer + 1; long && layer < last; ++layer) {
      const point = {isPoint: true, w: layout.pointWidth, h: 0};
      put(point, layer);
      item.chain.set(layer, point);
      points += 1;
      const above = item.chain.get(layer - 1) || item;
      above.down.push(point);
      point.up.push(above);
    }
    for (const target of below) {
      const above = item.chain.get(target.layer - 1) || item;
      above.down.push(target);
      target.up.push(above);
    }
  }
  return layers;
}

function sortLayers(layers) {
  const number = (layer) => layer.forEach((item, rank) => { item.rank = rank; });
  layers.forEach(number);
  const sweep = (layer, side) => {
    for (const item of layer) {
      const near = item[side];
      item.pull = near.length ? near.reduce((sum, n) => sum + n.rank, 0) / near.length : item.rank;
    }
    layer.sort((a, b) => a.pull - b.pull);
    number(layer);
  };
  for (let round = 0; round < 4; ++round) {
    for (let i = 1; i < layers.length; ++i) sweep(layers[i], "up");
    for (let i = layers.length - 2; i >= 0; --i) sweep(layers[i], "down");
  }
}

// Moves the items of a layer towards their neighbours, in their order and without overlap.
function pullLayer(layer, side) {
  let right = -Infinity;
  let shift = 0;
  for (const item of layer) {
    const near = item[side];
    const wanted = near.length ? near.reduce((sum, n) => sum + n.cx, 0) / near.length : item.cx;
    item.cx = Math.max(wanted, right + item.w / 2);
    right = item.cx + item.w / 2 + (item.isPoint ? 6 : layout.between);
    shift += wanted - item.cx;
  }
  for (const item of layer) item.cx += shift / layer.length;
}

function placeAcross(layers) {
  for (const layer of layers) {
    let x = 0;
    for (const item of layer) {
      item.cx = x + item.w / 2;
      x += item.w + (item.isPoint ? 6 : layout.between);
    }
    for (const item of layer) item.cx -= x / 2;
  }
  for (let round = 0; round < 6; ++round) {
    for (let i = 1; i < layers.length; ++i) pullLayer(layers[i], "up");
    for (let i = layers.length - 2; i >= 0; --i) pullLayer(layers[i], "down");
  }
}

// Gives every item of an open group its place relative to the group's corner; the group's size.
function layOutGroup(group) {
  const items = [...group.groups.values(), ...group.nodes];
  for (const item of items) Object.assign(item, sizeOf(item));
  group.items = items;
  const layers = makeLayers(assignLayers(items));
  sortLayers(layers);
  placeAcross(layers);
  let left = Infinity;
  let right = -Infinity;
  for (const item of layers.flat()) {
    left = Math.min(left, item.cx - item.w / 2);
    right = Math.max(right, item.cx + item.w / 2);
  }
  let y = group.parent ? layout.head + 6 : layout.margin;
  for (const layer of layers) {
    const height = layer.reduce((most, item) => Math.max(most, item.h), 0);
    const crossing = layer.reduce((sum, item) => sum + item.down.length, 0);
    for (const item of layer) {
      item.x = item.cx - item.w / 2 - left + layout.margin;
      item.y = y + (height - item.h) / 2;
      if (item.isPoint) [item.y, item.height] = [y, height];
    }
    y += height + layout.layerGap + Math.min(30, crossing);
  }
  const bottom = y - layout.layerGap + layout.margin - 8;
  const title = group.parent ? textWidth(group.name, fonts.node) + 48 : 0;
  return {w: Math.max(right - left + 2 * layout.margin, title), h: bottom};
}

// The items of the two ends within the innermost group that holds both.
function endsIn(edge) {
  let from = edge.from;
  let to = edge.to;
  while (parentOf(from) !== parentOf(to)) {
    if (parentOf(from).depth >= parentOf(to).depth) from = parentOf(from);
    else to = parentOf(to);
  }
  return {from, to};
}

// Lays the whole graph out; the edges to draw, each with the points it runs through.
function layOut() {
  for (const item of [...nodes, ...groups]) {
    item.sources = new Set();
    item.targets = new Set();
  }
  for (const edge of edges) {
    const {from, to} = endsIn(edge);
    if (from === to) continue;
    from.targets.add(to);
    to.sources.add(from);
  }
  Object.assign(root, layOutGroup(root), {x: 0, y: 0});
  (function absolute(group) {
    for (const item of group.items) {
      item.ax = item.x + group.ax;
      item.ay = item.y + group.ay;
      for (const point of item.chain.values()) {
        point.ax = point.x + point.w / 2 + group.ax;
        point.ay = point.y + group.ay;
      }
      if (item.isGroup && item.open) absolute(item);
    }
  })(Object.assign(root, {ax: 0, ay: 0}));
  const shown = new Map();
  for (const edge of edges) {
    const from = visible(edge.from);
    const to = visible(edge.to);
    if (from === to) continue;
    const key = `${idOf(from)}>${idOf(to)}`;
    const known = shown.get(key);
    if (known) known.count += 1;
    else shown.set(key, {from, to, count: 1, ends: endsIn(edge)});
  }
  return [...shown.values()].map(routed);
}

const groupIds = new Map(groups.map((group, place) => [group, place]));
function idOf(item) {
  return item.isGroup ? `g${groupIds.get(item)}` : `n${item.index}`;
}

function routed(edge) {
  const points = [{x: edge.from.ax + edge.from.w / 2, y: edge.from.ay + edge.from.h}];
  const {from, to} = edge.ends;
  for (let layer = from.layer + 1; layer < to.layer; ++layer) {
    const point = from.chain.get(layer);
    if (!point) continue;
    points.push({x: point.ax, y: point.ay}, {x: point.ax, y: point.ay + point.height});
  }
  points.push({x: edge.to.ax + edge.to.w / 2, y: edge.to.ay});
  const xs = points.map((p) => p.x);
  const ys = points.map((p) => p.y);
  edge.box = [Math.min(...xs) - 30, Math.min(...ys) - 30, Math.max(...xs) + 30, Math.max(...ys) + 30];
  edge.points = points;
  return edge;
}
