"""PyTorch's side of the first run: a command a line on standard input, an answer in JSON a line on standard output.

    describe                  PyTorch, its device, and the rate of one large product in half precision
    load METHOD N C D         a problem for call
    call                      one step; milliseconds of wall time, everything done

METHOD is a row of STEPS. The problem is drawn as step_timer.cc draws it: class centres uniform in [-1, 1]^D, each
embedding its centre plus twice as much noise. An error is answered as {"error": ...} and ends nothing.
"""

import gc
import json
import os
import sys
import time
import traceback

# Whatever a library prints must not get between the answers.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

import torch
import torch.nn.functional as F

SCALE, MARGIN = 64.0, 0.35
DEVICE = torch.device(sys.argv[1])
# The largest square product of which a share of the peak is taken.
PEAK_SIZE = 8192 if DEVICE.type == "cuda" else 64
HALF = torch.bfloat16


def wait():
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def cosface(x, w, y):
    # As bench/peers/steps.py: the scale goes into x, which is small, and the margin is taken off in place.
    logits = F.linear(SCALE * F.normalize(x), F.normalize(w))
    logits = logits.float().scatter_add_(1, y[:, None], torch.full_like(y[:, None], -SCALE * MARGIN, dtype=torch.float32))
    return F.cross_entropy(logits, y)


def gradients_of(loss_of, autocast):
    def make(x, w, y):
        x.requires_grad_()
        w.requires_grad_()

        def step():
            with torch.autocast(DEVICE.type, dtype=HALF, enabled=autocast):
                loss = loss_of(x, w, y)
            return loss.detach(), torch.autograd.grad(loss, (x, w))

        return step

    return make


def compiled(*arguments):
    return torch.compile(cosface, dynamic=False)(*arguments)


def three_products(dtype):
    """Nothing but the step's matrix products, on operands that are there: what a step built of them cannot beat."""

    def make(x, w, y):
        x, w = x.to(dtype), w.to(dtype)
        logits = torch.empty(x.shape[0], w.shape[0], dtype=dtype, device=DEVICE)
        dx, dw = torch.empty_like(x), torch.empty_like(w)

        def step():
            torch.mm(x, w.T, out=logits)
            torch.mm(logits, w, out=dx)
            torch.mm(logits.T, x, out=dw)
            return None, (dx, dw)

        return step

    return make


# fp32 means TF32 products where the device has them ("high"), which is what a training is told to use.
STEPS = {
    "eager": gradients_of(cosface, False),
    "eager-bf16": gradients_of(cosface, True),
    "compile": gradients_of(compiled, False),
    "compile-bf16": gradients_of(compiled, True),
    "products": three_products(torch.float32),
    "products-bf16": three_products(HALF),
}


def rate_of_one_product():
    a = torch.randn(PEAK_SIZE, PEAK_SIZE, device=DEVICE).to(HALF)
    out = torch.empty_like(a)
    times = []
    for _ in range(12):
        wait()
        start = time.perf_counter()
        torch.mm(a, a, out=out)
        wait()
        times.append(time.perf_counter() - start)
    return 2 * PEAK_SIZE**3 / sorted(times)[len(times) // 2]


class Session:
    def describe(self):
        name = torch.cuda.get_device_name() if DEVICE.type == "cuda" else "cpu"
        return {"torch": torch.__version__, "cuda": torch.version.cuda, "device": name, "flops": rate_of_one_product()}

    def load(self, method, *sizes):
        self.step = None
        gc.collect()
        if DEVICE.type == "cuda":
            torch.cuda.empty_cache()
        batch, classes, dim = map(int, sizes)
        random = torch.Generator(device=DEVICE).manual_seed(20180626)
        w = torch.rand(classes, dim, generator=random, device=DEVICE) * 2 - 1
        y = torch.randint(classes, (batch,), generator=random, device=DEVICE)
        x = w[y] + 2 * (torch.rand(batch, dim, generator=random, device=DEVICE) * 2 - 1)
        self.step = STEPS[method](x, w, y)
        return {}

    def call(self):
        wait()
        start = time.perf_counter()
        loss, gradients = self.step()
        wait()
        ms = (time.perf_counter() - start) * 1e3
        del gradients
        return {"ms": ms, "loss": None if loss is None else loss.item()}


def main():
    torch.set_float32_matmul_precision("high")
    if DEVICE.type == "cuda":
        torch.backends.cuda.preferred_blas_library("cublaslt")
    session = Session()
    for line in sys.stdin:
        command, *arguments = line.split()
        try:
            answer = getattr(session, command)(*arguments)
        except Exception as error:
            out_of_memory = isinstance(error, torch.cuda.OutOfMemoryError)
            answer = {"error": str(error).splitlines()[0] if out_of_memory else traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


main()
