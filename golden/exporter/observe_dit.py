"""Observes the DiT: hooks on its modules, and thin wrappers where a value is no module's output."""

import torch

from .recorder import ALWAYS, LAYERS, ONLY_LAYERS, OPS


def observe(dit, recorder, attention):
    """Attaches all observers. `attention` is the shared attention.Attention."""
    around = _Around(dit, recorder)
    around.attach()
    for i, block in enumerate(dit.blocks):
        _Block(block, recorder, attention, f"dit.blocks.{i}").attach()


def appended_rows(cache, lengths):
    """The last lengths[i] rows of every sample's cache, one sample after the other."""
    return torch.cat([rows[rows.shape[0] - n:] for rows, n in zip(cache, lengths)], dim=0)


def lengths_of(shape):
    return shape.flatten().tolist()


class _Around:
    """Everything outside the blocks."""

    def __init__(self, dit, recorder):
        self.dit, self.recorder = dit, recorder

    def attach(self):
        dit, out = self.dit, self.recorder.record
        dit.txt_in.proj.register_forward_hook(lambda m, i, o: out("dit.txt_in", o, OPS))
        dit.emb_in.proj_in.register_forward_pre_hook(lambda m, i: out("dit.emb.sinusoid", i[0], OPS))
        dit.emb_in.register_forward_hook(lambda m, i, o: out("dit.emb", o, OPS))
        dit.txt_out_norm.register_forward_hook(lambda m, i, o: self._tail("dit.txt_out_norm", o, OPS))
        dit.txt_out_ada.out_in.register_forward_hook(self._modulation)
        dit.txt_out_ada.register_forward_hook(lambda m, i, o: self._tail("dit.txt_out.in", o, OPS))
        dit.register_forward_hook(lambda m, i, o: self._tail("dit.velocity", o.txt_sample, ALWAYS))

    def _modulation(self, module, inputs, output):
        self._tail("dit.txt_out_ada.out_in.shift", lambda: output.chunk(2, dim=-1)[0], OPS)
        self._tail("dit.txt_out_ada.out_in.scale", lambda: output.chunk(2, dim=-1)[1], OPS)

    def _tail(self, path, value, levels):
        if not self.recorder.keeps_cache:
            self.recorder.record(path, value, levels)


class _Block:
    """One transformer block."""

    def __init__(self, block, recorder, attention, path):
        self.block, self.recorder, self.attention, self.path = block, recorder, attention, path

    def out(self, op, value, levels=OPS):
        self.recorder.record(f"{self.path}.{op}", value, levels)

    def hook(self, module, op, levels=OPS):
        module.register_forward_hook(lambda m, i, o: self.out(op, o, levels))

    def attach(self):
        block, ada, msa, mlp = self.block, self.block.ada, self.block.msa, self.block.mlp
        block.register_forward_pre_hook(lambda m, i: self.out("in", i[0], ONLY_LAYERS))
        ada.register_forward_hook(self._modulated, with_kwargs=True)
        for part in ("msa", "mlp"):
            getattr(ada, part + "_in").register_forward_hook(self._modulation(f"ada.{part}_in"))
            self.hook(getattr(ada, part + "_out"), f"ada.{part}_out.gate")
            self.hook(getattr(block, part + "_norm"), part + ".norm")
        self.hook(msa.proj_qkv, "msa.qkv")
        self.hook(msa.norm_q, "msa.q")
        msa.norm_k.register_forward_hook(self._key)
        msa.register_forward_pre_hook(self._attention_begins, with_kwargs=True)
        self._wrap_rotation(msa.rope)
        self.attention.watch_heads(msa, self.recorder, f"{self.path}.msa")
        self.hook(msa, "msa.out", LAYERS)
        self.hook(mlp.proj_in, "mlp.hidden")
        self.hook(mlp.act, "mlp.act")
        self.hook(mlp, "mlp.out", LAYERS)

    def _modulation(self, path):
        def hook(module, inputs, output):
            self.out(path + ".shift", lambda: output.chunk(2, dim=-1)[0])
            self.out(path + ".scale", lambda: output.chunk(2, dim=-1)[1])
        return hook

    def _modulated(self, module, inputs, kwargs, output):
        self.out(kwargs["layer"] + (".in" if kwargs["mode"] == "in" else ".residual"), output)

    def _key(self, module, inputs, output):
        if not self.recorder.keeps_cache:  # else the rows are taken from the cache, at every level
            self.out("msa.k", output)

    def _wrap_rotation(self, rope):
        real = rope.apply_freqs

        def apply_freqs(*args, **kwargs):
            q, k = real(*args, **kwargs)
            self._cache()
            self.out("msa.q_rot", q)
            self.out("msa.k_rot", k)
            return q, k
        rope.apply_freqs = apply_freqs

    def _attention_begins(self, module, inputs, kwargs):
        self.lengths = lengths_of(kwargs["txt_q_shape"]) if kwargs["update_kv"] else None

    def _cache(self):
        """The rows that this pass appended; the caches are written before the rotation."""
        if self.lengths is not None:
            msa = self.block.msa
            self.out("msa.k", lambda: appended_rows(msa._k_cache, self.lengths), ALWAYS)
            self.out("msa.v", lambda: appended_rows(msa._v_cache, self.lengths), ALWAYS)
