"""Observes the text VAE: encoder, decoder and their blocks."""

import hashlib

import torch
from torch import nn

from .observe_dit import appended_rows, lengths_of
from .recorder import ALWAYS, LAYERS, ONLY_LAYERS, OPS, run_type

TOP = 64  # logits kept per row at every level


def observe(vae, recorder, attention):
    """Attaches all observers; returns the decoder's, which keeps the hashes of the logits."""
    _Encoder(vae, recorder).attach()
    decoder = _Decoder(vae, recorder)
    decoder.attach()
    for part in ("encoder", "decoder"):
        for i, block in enumerate(getattr(vae, part)["blocks"]):
            _Block(block, recorder, attention, f"vae.{part}.blocks.{i}").attach()
    return decoder


class _Encoder:
    def __init__(self, vae, recorder):
        self.vae, self.recorder = vae, recorder
        self.samples, self.embedded, self.patched = 0, [], []

    def begin(self, samples):
        """The next encode call embeds `samples` prompts, one after the other."""
        self.samples, self.embedded, self.patched = samples, [], []

    def attach(self):
        encoder, out = self.vae.encoder, self.recorder.record
        encoder["wte"].register_forward_hook(lambda m, i, o: self.embedded.append(o.squeeze(0)))
        encoder["patch_embedder"].register_forward_hook(self._patch)
        encoder["final_layer"].register_forward_hook(lambda m, i, o: out("vae.encoder.final", o.squeeze(0), OPS))
        if not isinstance(encoder["final_norm"], nn.Identity):
            encoder["final_norm"].register_forward_hook(lambda m, i, o: out("vae.encoder.norm", o.squeeze(0), OPS))
        real = self.vae.encode

        def encode(ids, *args, **kwargs):
            self.begin(len(ids))
            return real(ids, *args, **kwargs)
        self.vae.encode = encode

    def _patch(self, module, inputs, output):
        self.patched.append(output.squeeze(0).transpose(0, 1))
        if len(self.patched) == self.samples:
            self.recorder.record("vae.encoder.wte", lambda: torch.cat(self.embedded), OPS)
            self.recorder.record("vae.encoder.patch", lambda: torch.cat(self.patched), OPS)


class _Decoder:
    def __init__(self, vae, recorder):
        self.vae, self.recorder = vae, recorder
        self.row_hashes = {}  # block → sha256 of each row of logits as float32

    def attach(self):
        decoder = self.vae.decoder
        decoder["in_layer"].register_forward_hook(lambda m, i, o: self.recorder.record("vae.decoder.in_layer", o, OPS))
        decoder["unpatch_layer"].register_forward_hook(lambda m, i, o: self._tail("vae.decoder.unpatch", o))
        decoder["final_norm"].register_forward_hook(lambda m, i, o: self._tail("vae.decoder.norm", o))
        decoder["final_layer"].register_forward_hook(self._logits)

    def _tail(self, path, output):
        if not self.recorder.keeps_cache:
            self.recorder.record(path, output.squeeze(0), OPS)

    def _logits(self, module, inputs, output):
        if self.recorder.keeps_cache:
            return
        self.recorder.record("vae.decoder.logits", output.squeeze(0), OPS)
        if not self.recorder.wants(ALWAYS):
            return
        with torch._C.DisableTorchFunction():
            logits = output.detach().squeeze(0).float().cpu()
            values, ids = logits.sort(dim=-1, descending=True, stable=True)  # stable: the lower id first on ties
            total = logits.double().logsumexp(dim=-1).float()
            self.row_hashes[f"b{self.recorder.block:02d}"] = [hashlib.sha256(row.numpy()).hexdigest() for row in logits]
        kept = min(TOP, logits.shape[-1])
        self.recorder.record("logits.top_values", values[:, :kept], ALWAYS, run_type(output))
        self.recorder.record("logits.top_ids", ids[:, :kept].int(), ALWAYS)
        self.recorder.record("logits.logsumexp", total, ALWAYS)


class _Block:
    """One transformer block of the encoder or the decoder; its tensors carry a leading 1 that taps do not."""

    def __init__(self, block, recorder, attention, path):
        self.block, self.recorder, self.attention, self.path = block, recorder, attention, path

    def out(self, op, value, levels=OPS):
        self.recorder.record(f"{self.path}.{op}", value, levels)

    def hook(self, module, op, levels=OPS):
        module.register_forward_hook(lambda m, i, o: self.out(op, o.squeeze(0), levels))

    def attach(self):
        block = self.block
        block.register_forward_pre_hook(self._begin, with_kwargs=True)
        self.hook(block.norm_attn, "attn.norm")
        block.qkv_proj.register_forward_hook(self._projected)
        if block.q_norm is not None:
            block.q_norm.register_forward_pre_hook(self._clipped)
        block.rope.register_forward_pre_hook(self._before_rotation)
        block.rope.register_forward_hook(self._rotated)
        self.attention.watch(block, self.recorder, f"{self.path}.attn")
        block.attn_out_proj.register_forward_pre_hook(lambda m, i: self.out("attn.attn", i[0].squeeze(0)))
        self.hook(block.attn_out_proj, "attn.out", LAYERS)
        # The sum after attention is the input of the next module, which depends on where the norms stand.
        follower = block.ffn_proj if block.post_norm else block.norm_ffn
        follower.register_forward_pre_hook(lambda m, i: self.out("attn.residual", i[0].squeeze(0)))
        self.hook(block.norm_ffn, "ffn.norm")
        self.hook(block.ffn_proj, "ffn.hidden")
        self.hook(block.ffn_act, "ffn.act")
        self.hook(block.ffn_out, "ffn.out", LAYERS)
        self.hook(block, "ffn.residual")

    def _begin(self, module, inputs, kwargs):
        self.out("in", inputs[0].squeeze(0), ONLY_LAYERS)
        self.lengths = lengths_of(kwargs["txt_q_shape"]) if kwargs["update_kv"] else None

    def _projected(self, module, inputs, output):
        self.qkv = output  # clipped in place afterwards: recorded by _clipped

    def _clipped(self, module, inputs):
        if self.qkv is None:
            return
        self.out("attn.qkv", self.qkv.squeeze(0))
        self.qkv = None
        if self.lengths is not None:
            block = self.block
            self.out("attn.k_raw", lambda: appended_rows(block._k_cache, self.lengths), ALWAYS)
            self.out("attn.v", lambda: appended_rows(block._v_cache, self.lengths), ALWAYS)

    def _before_rotation(self, module, inputs):
        self._clipped(module, inputs)
        if self.block.q_norm is not None:  # as attention gets them: cast back to the type of the projection
            self.out("attn.q", lambda: _rows(inputs[0]).flatten(1))
            self.out("attn.k", lambda: _rows(inputs[1]).flatten(1))

    def _rotated(self, module, inputs, output):
        self.out("attn.q_rot", lambda: _rows(output[0]))
        self.out("attn.k_rot", lambda: _rows(output[1]))


def _rows(heads):
    """[1, h, n, hd] → [n, h, hd]"""
    return heads.squeeze(0).transpose(0, 1)
