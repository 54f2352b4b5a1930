"""Knows where in the run the package is, names the values seen there, and hands the wanted ones to the writer."""

import torch

from .bundle import TYPE_NAMES

# From which --taps level on a value is recorded.
ALWAYS = frozenset({"tokens", "layers", "ops"})
LAYERS = frozenset({"layers", "ops"})
ONLY_LAYERS = frozenset({"layers"})
OPS = frozenset({"ops"})


class Recorder:
    """The position in the run (`encode`, `prefill`, `bNN/sNN/cond` …) and the filter of what is kept there."""

    def __init__(self, writer, level, block_limit=None, step_limit=None):
        self.writer, self.level = writer, level
        self.block_limit, self.step_limit = block_limit, step_limit
        self.block, self.step = -1, -1
        self.prefix, self.inside_limits = None, True

    def at_prompt(self, stage):
        """Enters `encode` or `prefill`."""
        self._enter(stage, True)

    def at_block(self, stage):
        """Enters `decode` or `commit` of the current block."""
        self._enter(f"b{self.block:02d}/{stage}", self._block_wanted())

    def at_step(self, branch=None):
        """Enters a branch of the current step, or with None the loop's own values."""
        prefix = f"b{self.block:02d}/s{self.step:02d}"
        self._enter(f"{prefix}/{branch}" if branch else prefix, self._block_wanted() and self._step_wanted())

    def _enter(self, prefix, inside_limits):
        self.prefix, self.inside_limits = prefix, inside_limits

    def _block_wanted(self):
        return self.block_limit is None or self.block < self.block_limit

    def _step_wanted(self):
        return self.step_limit is None or self.step < self.step_limit

    @property
    def keeps_cache(self):
        """Whether the current pass writes the caches and nothing of its output is used (prefill, commit)."""
        return self.prefix == "prefill" or self.prefix.endswith("/commit")

    def wants(self, levels):
        return self.inside_limits and self.level in levels

    def record(self, path, value, levels, run_type=None):
        """Stores a copy of `value` as it is now; `value` may be a function that returns it."""
        if not self.wants(levels):
            return
        with torch._C.DisableTorchFunction():  # the copy is no part of the run
            value = value() if callable(value) else value
            stored = value.detach().to("cpu", copy=True).contiguous()
        self.writer.add(f"{self.prefix}/{path}", stored, run_type)

    def record_noise(self, noise):
        """Stores the noise of the current block, whatever the level and the limits: a run needs all of it."""
        with torch._C.DisableTorchFunction():
            self.writer.add(f"noise/b{self.block:02d}", noise.detach().to("cpu", copy=True).contiguous())


def run_type(tensor):
    return TYPE_NAMES[tensor.dtype]
