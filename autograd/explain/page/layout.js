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

const layout = {between: 22, margin: 14, head: 26, layerGap: 30, portGap: 10, mostInRow: 6, pointWidth: 6, mostPoints: 20000};

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
  // Many that nothing here joins stand in rows, not in one.
  const lone = order.filter((item) => !item.sources.size && !item.targets.size);
  lone.forEach((item, i) => { item.layer = Math.floor(i / layout.mostInRow); });
  return order;
}

// An end of an edge outside a group, where the edge passes the group's frame: one for each source
// that edges come in from, at the top, and for each source within that edges lead out from, at the
// bottom.
function portOf(ports, source) {
  if (!ports.has(source)) ports.set(source, {isPoint: true, w: layout.pointWidth, h: 0});
  return ports.get(source);
}

// Where an edge of `source` meets an item: the middle, or an open group's port.
function portAt(item, side, source) {
  return item.isGroup && item.open ? item[side].get(source) : null;
}

// A link is what an edge runs through within one group, from an item or the port by which it comes
// in to another, or to the port by which it leaves. All edges of one source share their links.
function addLink(group, from, to, source) {
  if (!group.links.has(from)) group.links.set(from, new Map());
  const bySource = group.links.get(from);
  if (!bySource.has(source)) bySource.set(source, new Set());
  bySource.get(source).add(to);
}

// Tells all open groups which edges run through them.
function addLinks(edge) {
  const {from, to} = edge.ends;
  for (let item = edge.from; item !== from; item = parentOf(item)) {
    const group = parentOf(item);
    addLink(group, item, portOf(group.exits, edge.from), edge.from);
  }
  addLink(parentOf(from), from, to, edge.from);
  for (let item = edge.to; item !== to; item = parentOf(item)) {
    const group = parentOf(item);
    addLink(group, portOf(group.entries, edge.from), item, edge.from);
  }
}

function join(above, aboveAt, below, belowAt) {
  above.down.push({item: below, at: belowAt, own: aboveAt});
  below.up.push({item: above, at: aboveAt, own: belowAt});
}

// How far from an item's middle an edge of `source` meets it.
function offsetOf(item, side, source) {
  const port = portAt(item, side, source);
  return port ? port.x + port.w / 2 - item.w / 2 : 0;
}

// The layers, the ports in the first and the last, with the points of long edges in them; `up` and
// `down` are the neighbours in the layers above and below.
function makeLayers(group, order) {
  const layers = [];
  const put = (item, layer) => {
    while (layers.length <= layer) layers.push([]);
    item.layer = layer;
    item.up = [];
    item.down = [];
    item.chains = new Map();
    layers[layer].push(item);
  };
  for (const port of group.entries.values()) put(port, 0);
  const first = group.entries.size ? 1 : 0;
  for (const item of order) put(item, item.layer + first);
  const beyond = layers.length;
  for (const port of group.exits.values()) put(port, beyond);
  let points = 0;
  for (const [item, bySource] of group.links) {
    for (const [source, targets] of bySource) {
      const below = [...targets].filter((target) => target.layer > item.layer);
      const last = Math.max(item.layer, ...below.map((target) => target.layer));
      const chain = new Map();
      item.chains.set(source, chain);
      const start = {item, at: offsetOf(item, "exits", source)};
      const before = (layer) => (chain.has(layer - 1) ? {item: chain.get(layer - 1), at: 0} : start);
      const long = points + last - item.layer < layout.mostPoints;
      for (let layer = item.layer + 1; long && layer < last; ++layer) {
        const point = {isPoint: true, w: layout.pointWidth, h: 0};
        put(point, layer);
        const above = before(layer);
        chain.set(layer, point);
        points += 1;
        join(above.item, above.at, point, 0);
      }
      for (const target of below) {
        const above = before(target.layer);
        join(above.item, above.at, target, offsetOf(target, "entries", source));
      }
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
      const pulls = near.reduce((sum, n) => sum + n.item.rank + n.at / n.item.w, 0);
      item.pull = near.length ? pulls / near.length : item.rank;
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
    const places = near.reduce((sum, n) => sum + n.item.cx + n.at - n.own, 0);
    const wanted = near.length ? places / near.length : item.cx;
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
  const layers = makeLayers(group, assignLayers(items));
  sortLayers(layers);
  placeAcross(layers);
  let left = Infinity;
  let right = -Infinity;
  for (const item of layers.flat()) {
    left = Math.min(left, item.cx - item.w / 2);
    right = Math.max(right, item.cx + item.w / 2);
  }
  let y = group.parent ? layout.head + (group.entries.size ? 0 : 6) : layout.margin;
  let bottom = y;
  group.points = [];
  const heights = layers.map((layer) => layer.reduce((most, item) => Math.max(most, item.h), 0));
  for (const [i, layer] of layers.entries()) {
    const height = heights[i];
    for (const item of layer) {
      item.x = item.cx - item.w / 2 - left + layout.margin;
      item.y = y + (height - item.h) / 2;
      Object.assign(item, {top: y, bottom: y + height});
      if (item.isPoint) group.points.push(item);
    }
    bottom = y + height;
    // Ports need less room than items.
    const gap = height && heights[i + 1] ? layout.layerGap : layout.portGap;
    const crossing = layer.reduce((sum, item) => sum + item.down.length, 0);
    y = bottom + gap + Math.min(30, crossing);
  }
  bottom += group.exits.size ? 4 : layout.margin;
  for (const port of group.entries.values()) port.top = 0;
  for (const port of group.exits.values()) port.bottom = bottom;
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

// The edges to draw: one between each two items in sight that others within them, or they
// themselves, make.
function shownEdges() {
  const shown = new Map();
  for (const edge of edges) {
    const from = visible(edge.from);
    const to = visible(edge.to);
    if (from === to) continue;
    const key = `${idOf(from)}>${idOf(to)}`;
    const known = shown.get(key);
    if (known) known.count += 1;
    else shown.set(key, {from, to, count: 1, ends: endsIn({from, to})});
  }
  return [...shown.values()];
}

// Lays the whole graph out; the edges to draw, each with the points it runs through.
function layOut() {
  for (const item of [...nodes, ...groups]) {
    item.sources = new Set();
    item.targets = new Set();
  }
  for (const group of groups) {
    Object.assign(group, {entries: new Map(), exits: new Map(), links: new Map()});
  }
  const shown = shownEdges();
  for (const edge of shown) {
    edge.ends.from.targets.add(edge.ends.to);
    edge.ends.to.sources.add(edge.ends.from);
    addLinks(edge);
  }
  Object.assign(root, layOutGroup(root), {x: 0, y: 0});
  (function absolute(group) {
    for (const item of [...group.items, ...group.points]) {
      item.ax = item.x + group.ax;
      item.ay = item.y + group.ay;
      item.layerTop = item.top + group.ay;
      item.layerBottom = item.bottom + group.ay;
      if (item.isGroup && item.open) absolute(item);
    }
  })(Object.assign(root, {ax: 0, ay: 0}));
  const drawn = new Map();
  return shown.map((edge) => routed(edge, drawn));
}

const groupIds = new Map(groups.map((group, place) => [group, place]));
function idOf(item) {
  return item.isGroup ? `g${groupIds.get(item)}` : `n${item.index}`;
}

// Adds the points that an edge runs through within one group. Beside what is taller than an end of
// it, it runs straight down: only the gaps between the layers are for curves.
function routeLink(points, from, to, source) {
  const start = portAt(from, "exits", source) || from;
  const end = portAt(to, "entries", source) || to;
  const add = (item, ...ys) => ys.forEach((y) => points.push({x: item.ax + item.w / 2, y}));
  if (from.isPoint) add(from, from.layerTop, from.layerBottom);
  else add(start, from.ay + from.h, from.layerBottom);
  const chain = from.chains.get(source);
  for (let layer = from.layer + 1; layer < to.layer; ++layer) {
    const point = chain.get(layer);
    if (point) add(point, point.layerTop, point.layerBottom);
  }
  if (to.isPoint) add(to, to.layerTop, to.layerBottom);
  else add(end, to.layerTop, to.ay);
}

function routed(edge, drawn) {
  const points = [];
  const {from, to} = edge.ends;
  for (let item = edge.from; item !== from; item = parentOf(item)) {
    routeLink(points, item, parentOf(item).exits.get(edge.from), edge.from);
  }
  routeLink(points, from, to, edge.from);
  const inwards = [];
  for (let item = edge.to; item !== to; item = parentOf(item)) inwards.unshift(item);
  for (const item of inwards) routeLink(points, parentOf(item).entries.get(edge.from), item, edge.from);
  edge.points = points.filter((p, i) => !i || p.x !== points[i - 1].x || p.y !== points[i - 1].y);
  const xs = points.map((p) => p.x);
  const ys = points.map((p) => p.y);
  edge.box = [Math.min(...xs) - 30, Math.min(...ys) - 30, Math.max(...xs) + 30, Math.max(...ys) + 30];
  // What edges of one source have in common is drawn with the first of them.
  if (!drawn.has(edge.from)) drawn.set(edge.from, new Set());
  const before = drawn.get(edge.from);
  const keys = edge.points.map(({x, y}) => `${x} ${y}`);
  const parting = keys.findIndex((key) => !before.has(key));
  edge.parting = Math.max(0, (parting < 0 ? keys.length : parting) - 1);
  keys.forEach((key) => before.add(key));
  return edge;
}
