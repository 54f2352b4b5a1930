"""Observes what happens inside attention: the scores before the softmax and, for the DiT, the heads' output."""

import torch

from .recorder import OPS


class Attention:
    """Shared by all attention modules; `current` is the one that runs."""

    def __init__(self):
        self.current = None

    def wrap(self, module, recorder, path, output=True):
        """Makes `module.slow_attn` known while it runs. With `output`, its result is recorded as `<path>.attn`."""
        real = module.slow_attn

        def slow_attn(*args, **kwargs):
            self.current = _Call(recorder, path, kwargs.get("attn_mask"))
            try:
                result = real(*args, **kwargs)
            finally:
                self.current = None
            if output:
                recorder.record(path + ".attn", lambda: _joined(result), OPS)
            return result
        module.slow_attn = slow_attn
        if output:  # the fused backend does not pass through slow_attn
            module.register_forward_pre_hook(lambda m, i: self._enter(_Call(recorder, path, None)))
            module.register_forward_hook(lambda m, i, o: self._enter(None))

    def _enter(self, call):
        self.current = call

    def saw_softmax(self, scores):
        if self.current is not None:
            self.current.record_scores(scores)

    def saw_fused(self, result):
        if self.current is not None:
            call = self.current
            call.recorder.record(call.path + ".attn", lambda: _joined(result), OPS)


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
