"""One peer of the benchmark: a Python process that computes the step when bench/loss/peer-session.ts asks.

Requests and answers are JSON, one a line, on standard input and output; arrays are raw little-endian files in a folder
that both sides know. A failure is answered as {"error": "..."} and ends nothing.
"""

import ctypes
import gc
import json
import os
import re
import sys
import time
import traceback

# Whatever a library prints must not get between the answers.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

import numpy as np
import torch

from steps import STEPS


class Peer:
    """A step on one problem, and what is asked about it."""

    def load(self, method, folder, batch, classes, dim, scale, margin, threads):
        torch.set_num_threads(threads)

        def read(name, kind, *shape):
            values = np.fromfile(os.path.join(folder, name), dtype=kind)
            return torch.from_numpy(values.reshape(shape))

        # One at a time: the step may keep a copy in a layout of its own.
        x = read("embeddings.f32", "<f4", batch, dim)
        w = read("weights.f32", "<f4", classes, dim)
        y = read("labels.i32", "<i4", batch).long()
        self.step = STEPS[method](x, w, y, scale, margin)
        capability = torch.backends.cpu.get_cpu_capability().lower()
        return {"isa": f"torch-{torch.__version__.split('+')[0]}-{capability}", "threads": torch.get_num_threads()}

    def call(self):
        """One step as a training runs it: the loss is read, the gradients are left to an optimiser."""
        start = time.perf_counter()
        loss, gradients = self.step()
        value = loss.item()
        ms = (time.perf_counter() - start) * 1e3
        del loss, gradients
        return {"ms": ms, "loss": value}

    def watch(self):
        """Peak memory from here on. What earlier calls have freed goes back to the system first: it is no room."""
        gc.collect()
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim:
            trim(0)
        with open("/proc/self/clear_refs", "w") as marks:
            marks.write("5")
        self.before = status_bytes("VmRSS")
        return {}

    def peak(self):
        return {"bytes": max(0, status_bytes("VmHWM") - self.before)}

    def check(self, samples, folder):
        """The mean over some samples, and its gradients in files: d_embeddings.f32 [N, D], d_weights.f32 [C, D]."""
        loss, (dx, dw) = self.step(samples)
        for name, gradient in (("d_embeddings.f32", dx), ("d_weights.f32", dw)):
            gradient.numpy().astype("<f4", copy=False).tofile(os.path.join(folder, name))
        return {"loss": loss.item()}


def status_bytes(field):
    with open("/proc/self/status") as status:
        return int(re.search(rf"^{field}:\s+(\d+) kB$", status.read(), re.M).group(1)) * 1024


def main():
    peer = Peer()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(peer, request.pop("do"))(**request)
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


main()
