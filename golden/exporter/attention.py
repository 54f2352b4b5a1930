"""Observes what happens inside attention: the scores before the softmax and, for the DiT, the heads' output."""

import torch

from .recorder import OPS


class Attention:
    """Knows which attention module runs; Loop tells it of the softmax and of the fused product."""

    def __init__(self):
        self.running = None

    def watch(self, module, recorder, path):
        """Records the scores of `module`, which computes them in slow_attn, as `<path>.scores`."""
        real = module.slow_attn

        def slow_attn(*args, attn_mask=None, **kwargs):
            outer, self.running = self.running, _Call(recorder, path, attn_mask)
            try:
                return real(*args, attn_mask=attn_mask, **kwargs)
            finally:
                self.running = outer
        module.slow_attn = slow_attn

    def watch_heads(self, module, recorder, path):
        """Records also the heads' output, as `<path>.attn`, whichever backend computes it.

        The DiT widens that output before its projection narrows it again; the value recorded is the narrow one.
        """
        self.watch(module, recorder, path)
        product = module.slow_attn

        def slow_attn(*args, **kwargs):
            result = product(*args, **kwargs)
            recorder.record(path + ".attn", lambda: _joined(result), OPS)
            return result
        module.slow_attn = slow_attn
        module.register_forward_pre_hook(lambda m, i: self._run(_Call(recorder, path, None)))
        module.register_forward_hook(lambda m, i, o: self._run(None))

    def _run(self, call):
        self.running = call

    def saw_softmax(self, scores):
        if self.running is not None:
            self.running.record_scores(scores)

    def saw_fused(self, result):
        if self.running is not None:
            self.running.recorder.record(self.running.path + ".attn", lambda: _joined(result), OPS)


class _Call:
    def __init__(self, recorder, path, mask):
        self.recorder, self.path, self.mask = recorder, path, mask

    def record_scores(self, scores):
        self.recorder.record(self.path + ".scores", lambda: self._allowed(scores), OPS)

    def _allowed(self, scores):
        """[1, h, R, K] → [h, R, K], with 0 where the additive mask forbids."""
        scores = scores.squeeze(0)
        if self.mask is None:
            return scores
        return torch.where(self.mask.squeeze(0) == 0, scores, torch.zeros((), dtype=scores.dtype, device=scores.device))


def _joined(heads):
    """[1, h, R, hd] → [R, h·hd]"""
    return heads.squeeze(0).transpose(0, 1).flatten(1)
