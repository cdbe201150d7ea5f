"""The loss step as it is written with PyTorch: what is timed in bench/peers.

Each entry of STEPS takes x [N, D], w [C, D], y [N], scale and margin and returns a function: called with nothing it gives
the mean loss and the gradients by x and w; called with sample indices, the mean over those alone.
"""

import torch
import torch.nn.functional as F


def weighted(loss_of):
    """A step from per-sample losses: one dot product with weights that sum to 1, so that what is checked is what is timed."""

    def make(x, w, y, scale, margin):
        x.requires_grad_()
        w.requires_grad_()
        everyone = torch.full((len(y),), 1 / len(y))

        def step(samples=None):
            weights = everyone
            if samples is not None:
                weights = torch.zeros(len(y))
                weights[samples] = 1 / len(samples)
            loss = loss_of(x, w, y, weights, scale, margin)
            return loss.detach(), torch.autograd.grad(loss, (x, w))

        return step

    return make


def cosface(x, w, y, weights, scale, margin):
    # With care, as one who minds the time would write it: the scale goes into x, which is small, and scatter_add_ takes the
    # margin off in place. Indexing (logits[rows, y] -= m) would copy the N x C gradient, a one-hot would add two passes.
    logits = F.linear(scale * F.normalize(x), F.normalize(w))
    logits.scatter_add_(1, y[:, None], torch.full_like(y[:, None], -scale * margin, dtype=x.dtype))
    return torch.dot(F.cross_entropy(logits, y, reduction="none"), weights)


def compiled(*args):
    return torch.compile(cosface, dynamic=False)(*args)


def linear_cross_entropy(x, w, y, scale, margin):
    """PyTorch's own fused loss, in chunks of the batch, on normalised rows.

    It has no place for a margin: the target's logit is formed inside. Nor can one be put in afterwards: the margined loss
    is a function of the plain one, but that has lost every digit once the plain p_y is 1 to float32, which at scale 64
    is the normal case. So this step is the loss without a margin.
    """
    assert margin == 0, "linear_cross_entropy has no margin"
    x.requires_grad_()
    w.requires_grad_()
    options = torch.nn.LinearCrossEntropyOptions()

    def step(samples=None):
        labels = y
        if samples is not None:
            labels = torch.full_like(y, -100)
            labels[samples] = y[samples]
        loss = F.linear_cross_entropy(scale * F.normalize(x), F.normalize(w), labels, options=options)
        return loss.detach(), torch.autograd.grad(loss, (x, w))

    return step


def metric_learning(x, w, y, scale, margin):
    """CosFaceLoss of pytorch-metric-learning, whose W is [D, C]."""
    from pytorch_metric_learning.losses import CosFaceLoss

    criterion = CosFaceLoss(num_classes=w.shape[0], embedding_size=w.shape[1], scale=scale, margin=margin)
    criterion.W.data = w.T.contiguous()
    x.requires_grad_()

    def step(samples=None):
        if samples is None:
            loss = criterion(x, y)
        else:
            # A miner's tuples of (anchor, positive, anchor, negative): samples in none of them weigh 0, but are counted.
            chosen = torch.tensor(samples)
            loss = criterion(x, y, (chosen, chosen, chosen[:0], chosen[:0])) * (len(y) / len(samples))
        dx, dw = torch.autograd.grad(loss, (x, criterion.W))
        return loss.detach(), (dx, dw if samples is None else dw.T.contiguous())

    return step


STEPS = {
    "eager": weighted(cosface),
    "compile": weighted(compiled),
    "linear-cross-entropy": linear_cross_entropy,
    "metric-learning": metric_learning,
}
