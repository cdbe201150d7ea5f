"""Makes family.json: losses and gradients of the whole family from implementations that share no code with this project.

Cases of `peer` run pytorch-metric-learning in float64 under PyTorch's autograd. The others write the papers' formulas
down in NumPy float64 and differentiate them by central differences, with the parts that a paper takes as constant held.

Run with the environment of `npx cosface bench setup-peers` (versions: bench/peers/requirements.txt):
    PYTHON test/vectors/make_family_vectors.py
"""

import json
import pathlib

import numpy as np
import pytorch_metric_learning
import torch
from pytorch_metric_learning import distances, losses, miners, reducers

N, C, D, K = 6, 5, 4, 3


def make_problem(seed, length):
    rng = np.random.default_rng(seed)
    f32 = lambda a: np.asarray(a, np.float32).astype(np.float64)
    y = rng.integers(0, C, N)
    y[:2] = y[2:4]  # some samples share a class
    x = rng.normal(size=(N, D))
    return {
        "x": f32(length * x / np.linalg.norm(x, axis=1, keepdims=True) * rng.uniform(0.5, 2, (N, 1))),
        "w": f32(rng.normal(size=(C, D))),
        "subCenters": f32(rng.normal(size=(C * K, D))),
        "bias": f32(rng.normal(size=C)),
        "y": y,
    }


PROBLEMS = {"unit": make_problem(1, 1.0), "long": make_problem(2, 30.0), "far": make_problem(3, 1.0)}
# Two samples nearly opposite their centres and one near it: past pi - m, negative quality, fallbacks.
far = PROBLEMS["far"]
for i, sign in ((0, -1), (1, -1), (2, 1)):
    row = sign * far["w"][far["y"][i]] + 0.15 * far["x"][i]
    far["x"][i] = np.asarray(row, np.float32).astype(np.float64)


# ---- NumPy: formulas of the papers

def unit(a):
    return a / np.linalg.norm(a, axis=1, keepdims=True)


def cosines(x, w):
    return unit(x) @ unit(w).T


def rows(x):
    return np.arange(len(x))


def cross_entropy(z, y):
    top = z.max(1, keepdims=True)
    return np.log(np.exp(z - top).sum(1)) + top[:, 0] - z[rows(z), y]


def with_target(z, y, target):
    z = z.copy()
    z[rows(z), y] = target
    return z


def softplus(u):
    return np.logaddexp(0, u)


def psi(angle):
    k = np.floor(angle / np.pi)
    return (-1.0) ** k * np.cos(angle) - 2 * k


def angle_of(c):
    return np.arccos(np.clip(c, -1, 1))


def softmax(p, at, o):
    return cross_entropy(p["x"] @ p["w"].T + p["bias"], p["y"])


def smoothed(p, at, o):
    z = p["x"] @ p["w"].T + p["bias"]
    logp = z - np.logaddexp.reduce(z, 1, keepdims=True)
    e = o["labelSmoothing"]
    return -(1 - e) * logp[rows(z), p["y"]] - e * logp.mean(1)


def unnormalised_cosface(p, at, o):
    length = np.linalg.norm(p["x"], axis=1)
    c = cosines(p["x"], p["w"])
    z = length[:, None] * c
    return cross_entropy(with_target(z, p["y"], length * (c[rows(z), p["y"]] - o["margin"])), p["y"])


def annealed(p, at, o, weights_normalised):
    c = cosines(p["x"], p["w"])
    own = c[rows(c), p["y"]]
    target = (o["lambda"] * own + psi(o["margin"] * angle_of(own))) / (1 + o["lambda"])
    size = np.linalg.norm(p["x"], axis=1, keepdims=True) * np.ones((1, C))
    if not weights_normalised:
        size = size * np.linalg.norm(p["w"], axis=1)
    return cross_entropy(with_target(size * c, p["y"], size[rows(c), p["y"]] * target), p["y"])


def fallback_target(own, m, fallback):
    t = angle_of(own)
    if fallback == "continuous":
        return psi(t + m)
    if fallback == "none":
        return np.cos(t + m)
    if fallback == "easy":
        return np.where(own > 0, np.cos(t + m), own)
    return np.where(t + m <= np.pi, np.cos(t + m), own - m * np.sin(m))


def arcface(p, at, o):
    c = cosines(p["x"], p["w"])
    s = o["scale"]
    return cross_entropy(with_target(s * c, p["y"], s * fallback_target(c[rows(c), p["y"]], o["margin"], o["fallback"])), p["y"])


def adacos(p, at, o):
    c = cosines(at["x"], at["w"])
    s = o["state"]["scale"]
    others = np.exp(s * c)
    others[rows(c), at["y"]] = 0
    s = np.log(others.sum(1).mean()) / np.cos(min(np.pi / 4, np.median(angle_of(c[rows(c), at["y"]]))))
    return cross_entropy(s * cosines(p["x"], p["w"]), p["y"])


def adaface(p, at, o):
    norm = np.clip(np.linalg.norm(at["x"], axis=1), 1e-3, 100)
    a = o["momentum"]
    mean = a * norm.mean() + (1 - a) * o["state"]["mean"]
    deviation = a * norm.std(ddof=1) + (1 - a) * o["state"]["deviation"]
    q = np.clip((norm - mean) / (deviation + 1e-3) * o["concentration"], -1, 1)
    c = cosines(p["x"], p["w"])
    m, s = o["margin"], o["scale"]
    target = psi(angle_of(c[rows(c), p["y"]]) - m * q) - (m * q + m)
    return cross_entropy(with_target(s * c, p["y"], s * target), p["y"])


def magface(p, at, o):
    a = np.clip(np.linalg.norm(p["x"], axis=1), 10, 110)
    m = 0.45 + (0.8 - 0.45) / (110 - 10) * (a - 10)
    c = cosines(p["x"], p["w"])
    s = o["scale"]
    target = psi(angle_of(c[rows(c), p["y"]]) + m)
    return cross_entropy(with_target(s * c, p["y"], s * target), p["y"]) + o["regularizer"] * (a / 110**2 + 1 / a)


def curricular(p, at, o):
    c, c_at = cosines(p["x"], p["w"]), cosines(at["x"], at["w"])
    s, m = o["scale"], o["margin"]
    t = o["momentum"] * o["state"]["t"] + (1 - o["momentum"]) * c_at[rows(c), at["y"]].mean()
    target = psi(angle_of(c[rows(c), p["y"]]) + m)
    hard = c_at > psi(angle_of(c_at[rows(c), at["y"]]) + m)[:, None]
    return cross_entropy(s * with_target(np.where(hard, c * (t + c), c), p["y"], target), p["y"])


def mv(p, at, o):
    def target(c):
        own = c[rows(c), p["y"]]
        return np.cos(angle_of(own) + o["margin"]) if o["kind"] == "arc" else own - o["margin"]

    c, c_at = cosines(p["x"], p["w"]), cosines(at["x"], at["w"])
    s, t = o["scale"], o["t"]
    weight = np.where(c_at > target(c_at)[:, None], s * t * (c + 1), 0)
    return cross_entropy(with_target(s * c + weight, p["y"], s * target(c)), p["y"])


def filtered(p, at, o):
    c, c_at = cosines(p["x"], p["w"]), cosines(at["x"], at["w"])
    s = o["scale"]
    z = np.where(c_at > o["interclassFilter"], -np.inf, s * c)
    return cross_entropy(with_target(z, p["y"], s * (c[rows(c), p["y"]] - o["margin"])), p["y"])


def sphereface2(p, at, o):
    g = 2 * ((cosines(p["x"], p["w"]) + 1) / 2) ** o["exponent"] - 1
    r, m, b, lam = o["scale"], o["margin"], o["bias"], o["balance"]
    others = softplus(r * (g + m) + b)
    others[rows(g), p["y"]] = 0
    return lam / r * softplus(-(r * (g[rows(g), p["y"]] - m) + b)) + (1 - lam) / r * others.sum(1)


def uniface(p, at, o):
    c = cosines(p["x"], p["w"])
    s, m, b = o["scale"], o["margin"], o["bias"]
    others = softplus(s * c - b)
    others[rows(c), p["y"]] = 0
    return softplus(-(s * (c[rows(c), p["y"]] - m) - b)) + o["negativeWeight"] * others.sum(1)


def circle(p, at, o):
    c, c_at = cosines(p["x"], p["w"]), cosines(at["x"], at["w"])
    s, m = o["scale"], o["margin"]
    held = c if o["gradient"] == "exact" else c_at
    others = np.maximum(held + m, 0) * (c - m)
    own = np.maximum(1 + m - held, 0) * (c - (1 - m))
    return cross_entropy(s * with_target(others, p["y"], own[rows(c), p["y"]]), p["y"])


def center(p, at, o):
    return 0.5 * ((p["x"] - p["w"][p["y"]]) ** 2).sum(1)


def contrastive_squared(p, at, o):
    u, y, total = unit(p["x"]), p["y"], 0
    for i in range(N):
        for j in range(i):
            d = np.linalg.norm(u[i] - u[j])
            total += 0.5 * (d**2 if y[i] == y[j] else max(0, o["margin"] - d) ** 2)
    return np.array([total / (N * (N - 1) / 2)])


def central_differences(f, p, o, name):
    h, gradient = 1e-6, np.zeros_like(p[name])
    for place in np.ndindex(gradient.shape):
        value = []
        for step in (h, -h):
            moved = {**p, name: p[name].copy()}
            moved[name][place] += step
            value.append(f(moved, p, o).mean())
        gradient[place] = (value[0] - value[1]) / (2 * h)
    return gradient


def formula(loss, f, problem, options, by=("x", "w")):
    p = PROBLEMS[problem]
    result = {"loss": f(p, p, options).mean()}
    for name in by:
        result["d" + name] = central_differences(f, p, options, name)
    return {"loss": loss, "source": "numpy", "problem": problem, "options": options, "expected": result}


# ---- pytorch-metric-learning

def peer(loss, make, problem, options, weights="w", by_weights=True):
    p = PROBLEMS[problem]
    x = torch.tensor(p["x"], requires_grad=True)
    w = torch.tensor(p[weights], requires_grad=True)
    y = torch.tensor(p["y"])
    value = make(x, w, y)
    value.backward()
    result = {"loss": value.item(), "dx": x.grad.numpy()}
    if by_weights:
        result["d" + weights] = w.grad.numpy()
    return {"loss": loss, "source": "pytorch-metric-learning", "problem": problem, "options": options, "expected": result}


def proxy(kind, classes=C, **arguments):
    """A loss that owns its weights, [D, C], given ours."""

    def make(x, w, y):
        module = kind(num_classes=classes, embedding_size=D, **arguments)
        del module.W
        module.W = w.T
        module.cast_types = lambda *_: None
        if hasattr(module, "n_range"):
            for name in ("n_range", "margin_choose_n", "cos_powers", "alternating"):
                setattr(module, name, getattr(module, name).double())
        return module(x, y)

    return make


def circle_to_centres(x, w, y):
    module = losses.CircleLoss(m=0.25, gamma=64, reducer=reducers.MeanReducer())
    return module(x, y, ref_emb=w, ref_labels=torch.arange(C))


def contrastive_linear(x, w, y):
    module = losses.ContrastiveLoss(pos_margin=0.1, neg_margin=1, reducer=reducers.DoNothingReducer())
    parts = module(x, y)
    every = torch.cat([torch.as_tensor(part["losses"]).flatten() for part in parts.values()])
    return every.sum() / (N * (N - 1))


def triplet(mining):
    def make(x, w, y):
        squared = distances.LpDistance(power=2)
        module = losses.TripletMarginLoss(margin=0.4, distance=squared)
        mined = None
        if mining == "semi-hard":
            mined = miners.TripletMarginMiner(margin=0.4, type_of_triplets="semihard", distance=squared)(x, y)
        if mining == "hard":
            mined = miners.BatchHardMiner(distance=squared)(x, y)
        return module(x, y, mined)

    return make


def cases():
    s = {"scale": 16}
    for problem in ("unit", "far"):
        yield peer("cosFaceLoss", proxy(losses.CosFaceLoss, margin=0.35, scale=16), problem, {**s, "margin": 0.35})
        yield peer("arcFaceLoss", proxy(losses.ArcFaceLoss, margin=float(np.degrees(0.5)), scale=16), problem, {**s, "margin": 0.5, "fallback": "hard"})
        for fallback in ("continuous", "none", "easy", "hard"):
            yield formula("arcFaceLoss", arcface, problem, {**s, "margin": 0.5, "fallback": fallback})
    yield peer("normFaceLoss", proxy(losses.NormalizedSoftmaxLoss, temperature=1 / 16), "unit", s)
    yield peer("aSoftmaxLoss", proxy(losses.SphereFaceLoss, margin=4, scale=1), "unit", {"margin": 4})
    yield peer("lSoftmaxLoss", proxy(losses.LargeMarginSoftmaxLoss, margin=3, scale=1), "unit", {"margin": 3})
    yield peer("subCenterArcFaceLoss", proxy(losses.SubCenterArcFaceLoss, margin=float(np.degrees(0.5)), scale=16, sub_centers=K), "unit", {**s, "margin": 0.5, "fallback": "hard"}, weights="subCenters")
    yield peer("circleLoss", circle_to_centres, "unit", {"scale": 64, "margin": 0.25})
    yield peer("contrastiveLoss", contrastive_linear, "unit", {"form": "linear", "margin": 1, "positiveMargin": 0.1}, by_weights=False)
    for mining in ("semi-hard", "all", "hard"):
        yield peer("tripletLoss", triplet(mining), "unit", {"margin": 0.4, "mining": mining}, by_weights=False)

    yield formula("softmaxLoss", softmax, "unit", {}, by=("x", "w", "bias"))
    yield formula("softmaxLoss", smoothed, "unit", {"labelSmoothing": 0.1}, by=("x", "w", "bias"))
    yield formula("cosFaceLoss", unnormalised_cosface, "unit", {"margin": 0.35, "normalizeEmbeddings": False})
    yield formula("aSoftmaxLoss", lambda p, at, o: annealed(p, at, o, True), "unit", {"margin": 4, "lambda": 5})
    yield formula("lSoftmaxLoss", lambda p, at, o: annealed(p, at, o, False), "far", {"margin": 2, "lambda": 1.5})
    yield formula("adaCosLoss", adacos, "unit", {"state": {"scale": 3}})
    yield formula("adaFaceLoss", adaface, "long", {**s, "margin": 0.4, "concentration": 0.333, "momentum": 0.5, "state": {"mean": 20, "deviation": 10}})
    yield formula("magFaceLoss", magface, "long", {**s, "regularizer": 35})
    yield formula("magFaceLoss", magface, "unit", {**s, "regularizer": 2})
    for problem in ("unit", "far"):
        yield formula("curricularFaceLoss", curricular, problem, {**s, "margin": 0.5, "momentum": 0.9, "state": {"t": 0.2}})
    for kind, margin in (("am", 0.35), ("arc", 0.5)):
        yield formula("mvSoftmaxLoss", mv, "unit", {**s, "kind": kind, "margin": margin, "t": 0.2, "fallback": "none"})
    yield formula("cosFaceLoss", filtered, "unit", {**s, "margin": 0.35, "interclassFilter": 0.3})
    yield formula("sphereFace2Loss", sphereface2, "unit", {"scale": 20, "margin": 0.4, "exponent": 3, "balance": 0.7, "bias": -2.5})
    yield formula("uniFaceLoss", uniface, "unit", {**s, "margin": 0.4, "negativeWeight": 0.8, "bias": 3.9})
    for gradient in ("detached", "exact"):
        yield formula("circleLoss", circle, "unit", {**s, "margin": 0.25, "gradient": gradient})
    yield formula("centerLoss", center, "unit", {})
    yield formula("contrastiveLoss", contrastive_squared, "unit", {"margin": 1}, by=("x",))


def plain(value):
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def main():
    torch.set_default_dtype(torch.float64)
    made_with = {"numpy": np.__version__, "torch": str(torch.__version__), "pytorch-metric-learning": pytorch_metric_learning.__version__}
    content = {"madeBy": "test/vectors/make_family_vectors.py", "madeWith": made_with, "problems": PROBLEMS, "cases": list(cases())}
    path = pathlib.Path(__file__).with_name("family.json")
    path.write_text(json.dumps(plain(content), indent=None, separators=(",", ":")).replace('{"loss":"', '\n{"loss":"') + "\n")
    print(f"{len(content['cases'])} cases in {path.name}")


main()
