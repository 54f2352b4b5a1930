"""Observes the generation loop of cola_dlm.inference, whose values are no module's outputs.

A TorchFunctionMode sees every torch call of the run with its real arguments, and the tensors are recognised by
identity: z is the tensor whose cast the DiT is given, the guided velocity is the factor of the product that is
subtracted from z, and the difference is the next z. Nothing is computed a second time. A package whose loop is written
differently is noticed (Refusal), not misread.
"""

from collections import deque

import torch
from torch.overrides import TorchFunctionMode

from .errors import Refusal
from .observe_dit import lengths_of
from .recorder import ALWAYS


class Loop(TorchFunctionMode):
    """Follows the run through its calls of the models and tells the recorder where it is."""

    def __init__(self, recorder, attention):
        super().__init__()
        self.recorder, self.attention = recorder, attention
        self.schedule = self.used = None
        self.token_ids, self.latents, self.expected_latents = [], [], 0
        self.draws = []                # randn outputs of the block that begins
        self.casts = deque(maxlen=8)   # (output, input) of the last Tensor.to calls
        self.products = deque(maxlen=4)
        self.z = self.z_next = None
        self.in_block = False
        self.prefix_latents, self.pinned_rows = None, None
        self.blocks = []               # sampled ids [B, tokens] per block
        self.before = {"softmax": self._softmax}  # its input may be overwritten by what follows
        self.after = {
            "linspace": self._linspace, "randn": self._randn, "float": self._float, "to": self._to,
            "mul": self._mul, "__mul__": self._mul, "sub": self._sub, "__sub__": self._sub,
            "scaled_dot_product_attention": self._fused,
        }

    def attach(self, package, dit, vae):
        dit.register_forward_pre_hook(self._before_dit, with_kwargs=True)
        self.block_size = dit.block_size
        self._wrap_vae(vae)
        self._wrap_sampling(package.inference)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        if name in self.before:
            self.before[name](args)
        result = func(*args, **(kwargs or {}))
        if name in self.after:
            self.after[name](args, result)
        return result

    # What the mode sees.

    def _linspace(self, args, result):
        if self.schedule is None:
            self.schedule = result.clone()

    def _randn(self, args, result):
        self.draws.append(result.clone())  # rows are pinned in place later

    def _float(self, args, result):
        if len(self.latents) < self.expected_latents:
            self.latents.append(result)
            if len(self.latents) == self.expected_latents:
                self.recorder.record("vae.latents", lambda: _concatenated(self.latents), ALWAYS)

    def _to(self, args, result):
        self.casts.append((result, args[0]))

    def _mul(self, args, result):
        self.products.append((result, args[0]))

    def _sub(self, args, result):
        if self.z is None or args[0] is not self.z:
            return
        velocity = _source_of(args[1], self.products, "the velocity of a step")
        self.recorder.at_step()
        self.recorder.record("velocity", velocity, ALWAYS)
        self.z, self.z_next = None, result

    def _softmax(self, args):
        self.attention.saw_softmax(args[0])

    def _fused(self, args, result):
        self.attention.saw_fused(result)

    # Calls of the models.

    def _before_dit(self, module, inputs, kwargs):
        if kwargs["update_kv"]:
            if self.recorder.block < 0:
                self.recorder.at_prompt("prefill")
            else:
                self._check_final_time(kwargs["timestep"])
                self.recorder.at_block("commit")
        elif kwargs["use_kv_cache"]:
            self._begin_step(kwargs)
            self.recorder.at_step("cond")
        else:
            self.recorder.at_step("uncond")

    def _begin_step(self, kwargs):
        if not self.in_block:
            self._begin_block(kwargs)
        else:
            self._end_step()
            self.recorder.step += 1
        z = _source_of(kwargs["txt"], self.casts, "the latents of a step")
        if self.recorder.step > 0 and z is not self.z_next:
            raise Refusal("the latents of a step are not those that the step before produced; this cola_dlm loops differently")
        self.z, self.z_next = z, None
        given = _source_of(kwargs["timestep"], self.casts, "the timesteps of a step")
        self._note_times(given, kwargs["timestep"])
        self.recorder.at_step()
        self.recorder.record("z", z, ALWAYS)
        self.recorder.record("t", given, ALWAYS)
        self.recorder.record("t_used", kwargs["timestep"], ALWAYS)

    def _begin_block(self, kwargs):
        self.in_block = True
        self.recorder.block += 1
        self.recorder.step = 0
        if self.prefix_latents is None:
            self.prefix_latents = [n - self.block_size for n in lengths_of(kwargs["txt_shape"])]
        self.recorder.record_noise(_concatenated(self.draws).view(-1, self.block_size, self.draws[0].shape[-1]))
        self.draws = []

    def _end_step(self):
        """z_next counts once the package has pinned the prompt's rows in it, that is when it is used next."""
        self.recorder.at_step()
        self.recorder.record("z_next", self.z_next, ALWAYS)

    def _note_times(self, given, used):
        if self.used is None:
            self.used = self.schedule.to(used.dtype)  # the last value is checked at the commit
        step = self.recorder.step
        if self.pinned_rows is None:
            self.pinned_rows = (given.view(-1, self.block_size) == 0).sum(dim=1).tolist()
        if not bool(((used == self.used[step].to(used.device)) | (given == 0)).all()):
            raise Refusal(f"step {step} used other timesteps than the schedule; this cola_dlm loops differently")

    def _check_final_time(self, used):
        if bool((used != 0).any()):
            raise Refusal("a commit ran at another time than 0; this cola_dlm loops differently")

    def _wrap_vae(self, vae):
        encode, decode = vae.encode, vae.decode

        def observed_encode(ids, *args, **kwargs):
            self.recorder.at_prompt("encode")
            self.token_ids = [row.tolist() for row in ids]
            result = encode(ids, *args, **kwargs)
            self.latents, self.expected_latents = [], len(ids)
            return result

        def observed_decode(z, *args, **kwargs):
            if self.recorder.block < 0:
                self.recorder.at_prompt("prefill")
            else:
                self._end_step()
                self.in_block = False
                self.recorder.at_block("decode")
            return decode(z, *args, **kwargs)
        vae.encode, vae.decode = observed_encode, observed_decode

    def _wrap_sampling(self, inference):
        sample = inference.sample_with_strategies

        def observed_sample(*args, **kwargs):
            ids = sample(*args, **kwargs)
            self.blocks.append(ids.tolist())
            return ids
        inference.sample_with_strategies = observed_sample


def _source_of(result, calls, what):
    """The first argument of the recent call that returned this very tensor."""
    for output, source in reversed(calls):
        if output is result:
            return source
    raise Refusal(f"{what} come from no observed call; this cola_dlm loops differently from the one this exporter knows")


def _concatenated(parts):
    return torch.cat(list(parts), dim=0)
