// The graph as the page uses it: nodes, the tree of groups (scopes), and the edges between nodes.

const data = JSON.parse(document.getElementById("data").textContent);
const text = (place) => data.texts[place];

function makeGroup(name, parent) {
  return {
    isGroup: true, name, parent, depth: parent ? parent.depth + 1 : 0, open: !parent,
    groups: new Map(), nodes: [], count: 0, bytes: 0, forward: 0, backward: 0, gradient: 0,
    checks: 0, failed: 0, first: Infinity, sum: 0, ran: 0,
  };
}

const root = makeGroup("", null);
const nodes = data.nodes.map((node, index) => {
  let group = root;
  for (const place of node.scope) {
    const name = text(place);
    if (!group.groups.has(name)) group.groups.set(name, makeGroup(name, group));
    group = group.groups.get(name);
  }
  const made = {
    index, group, number: node.number, op: text(node.op), label: node.label || "",
    site: text(node.site), line: text(node.line), formula: data.formulas[node.formula],
    inputs: node.inputs || [], outputs: node.outputs || [], saved: node.saved || [],
    checks: node.checks || [], bytes: node.bytes, forward: node.forward, backward: node.backward,
    users: [], step: -1,
  };
  made.isLeaf = made.op === "leaf";
  made.title = made.isLeaf && made.label ? made.label : made.op;
  // A parameter's name begins with the scope of its layer, which the group around it says already.
  const path = `${node.scope.map(text).join(".")}.`;
  made.short = made.title.startsWith(path) ? made.title.slice(path.length) : made.title;
  made.shape = made.outputs.map((output) => text(output.shape)).join(" ");
  made.gradient = Math.max(0, ...made.outputs.map((o) => (o.gradient ? Number(o.gradient[8]) : 0)));
  made.failed = made.checks.filter((check) => !check.agrees).length;
  group.nodes.push(made);
  return made;
});

// Edges from the node that made a tensor to the one that used it, each pair once.
const edges = [];
for (const node of nodes) {
  const seen = new Set();
  for (const input of node.inputs) {
    if (input.node < 0 || seen.has(input.node)) continue;
    seen.add(input.node);
    nodes[input.node].users.push(node);
    edges.push({from: nodes[input.node], to: node});
  }
}
data.order.forEach((place, step) => { nodes[place].step = step; });

const groups = [];
(function total(group) {
  groups.push(group);
  for (const node of group.nodes) {
    group.count += 1;
    group.bytes += node.bytes;
    group.forward += node.forward || 0;
    group.backward += node.backward || 0;
    group.gradient = Math.max(group.gradient, node.gradient);
    group.checks += node.checks.length;
    group.failed += node.failed;
    group.first = Math.min(group.first, node.index);
    group.sum += node.index;
  }
  for (const inner of group.groups.values()) {
    total(inner);
    for (const key of ["count", "bytes", "forward", "backward", "checks", "failed", "sum"]) {
      group[key] += inner[key];
    }
    group.gradient = Math.max(group.gradient, inner.gradient);
    group.first = Math.min(group.first, inner.first);
  }
})(root);

function parentOf(item) {
  return item.isGroup ? item.parent : item.group;
}

function pathOf(group) {
  const names = [];
  for (let g = group; g.parent; g = g.parent) names.unshift(g.name);
  return names.join(".");
}

// The item that stands for one on the screen: itself, or the outermost closed group around it.
function visible(item) {
  let shown = item;
  for (let group = parentOf(item); group; group = group.parent) {
    if (!group.open) shown = group;
  }
  return shown;
}

// Opens what must be open for an item to be seen; whether anything was closed.
function reveal(item) {
  let changed = false;
  for (let group = parentOf(item); group; group = group.parent) {
    changed = changed || !group.open;
    group.open = true;
  }
  return changed;
}

// Opens groups, the largest view first that still shows few items.
function openSome(limit) {
  for (const group of groups) group.open = group === root;
  let shown = root.nodes.length + root.groups.size;
  for (let level = [...root.groups.values()]; level.length;) {
    const cost = level.reduce((sum, g) => sum + g.nodes.length + g.groups.size, 0);
    // A single group around everything says nothing closed.
    if (shown + cost > limit && shown > 2) break;
    for (const group of level) group.open = true;
    shown += cost;
    level = level.flatMap((group) => [...group.groups.values()]);
  }
}
