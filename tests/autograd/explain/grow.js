// Runs before the page's own script, and makes a graph of thousands of nodes of that of
// attention.html: 150 steps that share the leaves, each of which asks with what the one before found.
// Its tanh is given out as a fused op.

const parse = JSON.parse;
JSON.parse = (text) => {
  JSON.parse = parse;
  const graph = parse(text);
  const isLeaf = (node) => graph.texts[node.op] === "leaf";
  const leaves = graph.nodes.filter(isLeaf);
  const ops = graph.nodes.filter((node) => !isLeaf(node));
  const query = graph.nodes.findIndex((node) => node.label === "query");
  const tanh = ops.find((node) => graph.texts[node.op] === "tanh");
  graph.formulas[tanh.formula].composition = "the composition of tanh";
  const square = ops.find((node) => graph.texts[node.op] === "square");
  const found = ops.indexOf(graph.nodes[square.inputs[0].node]);
  const nodes = leaves.map((leaf) => ({...leaf, scope: []}));
  for (let step = 0; step < 150; ++step) {
    const first = nodes.length;
    const moved = (place) => {
      if (place < 0) return place;
      if (place === query && step > 0) return first - ops.length + found;
      const node = graph.nodes[place];
      return isLeaf(node) ? leaves.indexOf(node) : first + ops.indexOf(node);
    };
    const move = (list) => (list || []).map((entry) => ({...entry, node: moved(entry.node)}));
    const name = graph.texts.push(`step ${step}`) - 1;
    for (const node of ops) {
      nodes.push({...node, number: 100 + nodes.length, scope: [name, ...node.scope],
        inputs: move(node.inputs), saved: move(node.saved)});
    }
  }
  return {...graph, nodes, order: nodes.map((_, place) => nodes.length - 1 - place)};
};
