#!/usr/bin/env python3
"""seq2seq_bench.cpp for PyTorch from Python: CONFIG THREADS SECONDS WHAT, the recurrent configurations.

The same model, written as one would: keys projected once, logits and loss of all steps at once."""

import json
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

CONFIGS = {  # as in measure.h
    "toy": (40, 40, 64, 128, 128, 64, 24, 12),
    "medium": (8000, 6000, 256, 256, 256, 64, 15, 15),
    "large": (10000, 10000, 512, 1024, 1024, 80, 30, 30),
}


def sentences(rows, time_steps, vocabulary, seed):
    """The ids that measure.h makes."""
    state = seed

    def below(bound):
        nonlocal state
        state = (state * 1664525 + 1013904223) % 2**32
        return (state >> 8) % bound

    shortest = (time_steps * 6 + 9) // 10
    ids = []
    for row in range(rows):
        length = time_steps if row == 0 else shortest + below(time_steps - shortest + 1)
        drawn = [4 + below(vocabulary - 4) for _ in range(time_steps)]
        ids.append([token if t < length else 0 for t, token in enumerate(drawn)])
    return torch.tensor(ids)


class Model(nn.Module):
    def __init__(self, sources, targets, embedding, hidden, attention):
        super().__init__()
        self.source_embedding = nn.Embedding(sources, embedding, padding_idx=0)
        self.target_embedding = nn.Embedding(targets, embedding, padding_idx=0)
        self.encoder = nn.GRU(embedding, hidden, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(hidden, hidden)
        self.query = nn.Linear(hidden, attention, bias=False)
        self.key = nn.Linear(2 * hidden, attention, bias=False)
        self.v = nn.Parameter(torch.rand(attention) - 0.5)
        self.decoder = nn.GRUCell(embedding + 2 * hidden, hidden)
        self.output = nn.Linear(hidden, targets)

    def encode(self, source):
        values, last = self.encoder(self.source_embedding(source))
        return self.key(values), values, source == 0, torch.tanh(self.bridge(last[1]))

    def step(self, embedded, state, keys, values, mask):
        scores = torch.tanh(keys + self.query(state).unsqueeze(1)) @ self.v
        weights = torch.softmax(scores.masked_fill(mask, -1e30), 1)
        context = (weights.unsqueeze(1) @ values).squeeze(1)
        return self.decoder(torch.cat((embedded, context), 1), state)

    def loss(self, source, target):
        keys, values, mask, state = self.encode(source)
        states = []
        for embedded in self.target_embedding(target).unbind(1):
            state = self.step(embedded, state, keys, values, mask)
            states.append(state)
        logits = self.output(torch.stack(states, 1))
        return F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=0)

    def greedy(self, source, steps):
        keys, values, mask, state = self.encode(source)
        previous = torch.ones(source.shape[0], dtype=torch.long)
        for _ in range(steps):
            state = self.step(self.target_embedding(previous), state, keys, values, mask)
            previous = self.output(state).argmax(1)


def repeat(seconds, work):
    for _ in range(3):
        work()
    times, begin = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return times


def main():
    if len(sys.argv) != 5 or sys.argv[1] not in CONFIGS:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(CONFIGS)} THREADS SECONDS train|fwd|greedy|greedy1")
    name, threads, seconds, what = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    sources, targets, embedding, hidden, attention, batch, source_time, target_time = CONFIGS[name]
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = Model(sources, targets, embedding, hidden, attention)
    rows = 1 if what == "greedy1" else batch
    source = sentences(rows, source_time, sources, 1)
    target = sentences(rows, target_time, targets, 2)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)

    def train():
        adam.zero_grad()
        model.loss(source, target).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1)
        adam.step()

    if what == "train":
        times = repeat(seconds, train)
    else:
        with torch.no_grad():
            if what == "fwd":
                times = repeat(seconds, lambda: model.loss(source, target))
            else:
                times = repeat(seconds, lambda: model.greedy(source, target_time))
    of_slots = what in ("train", "fwd")
    count = batch * target_time if of_slots else rows
    rates = sorted(count / each for each in times)
    at = lambda share: rates[int(share * (len(rates) - 1))]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"peer": "pytorch", "bench": f"{name}_{what}", "threads": threads, "median": at(0.5),
                      "p10": at(0.1), "p90": at(0.9), "best": rates[-1],
                      "unit": "slots/s" if of_slots else "sentences/s", "n": len(rates), "peak_mib": peak},
                     separators=(",", ":")))


main()
