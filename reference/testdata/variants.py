#!/usr/bin/env python3
"""Writes variants.json: what the public package computes, in float32 on a CPU, for models of unusual configurations.

    COLA_DLM=DIR python reference/testdata/variants.py      (from the root of the repository; golden/requirements.txt)

The weights are those of `colasynth --seed 1`, which the test makes again. Every case is one batch: encode, prefill with
all latents, one step of the first block, decode, commit, one step of the second block.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import types

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [os.environ.get("COLA_DLM", ""), str(ROOT / "golden")]

import torch  # noqa: E402
from cola_dlm import inference, modeling_cola_dit, modeling_cola_vae  # noqa: E402
from exporter import contract  # noqa: E402

SEED = 1
DIT = dict(txt_in_channels=6, txt_out_channels=6, txt_dim=20, emb_dim=20, heads=3, head_dim=8, rope_dim=6, expand_ratio=2,
           num_layers=2, block_size=3)
VAE = dict(vocab_size=40, latent_dim=6, dim=16, num_heads=2, ffn_dim=24, encoder_num_blocks=2, decoder_num_blocks=2,
           block_size=3, rope_theta=10000)
CASES = {
    "class defaults": ({}, {}),
    "pre-norm, one key head, gelu, clipped": ({}, dict(post_norm=False, shared_heads_kv=2, act="gelu", clip_qkv=0.4)),
    "no affine, silu, no bias, smaller mask blocks": ({}, dict(layer_norm_affine=False, qk_norm_affine=False, act="silu", bias=False, block_size=2)),
    "patches of three, scaled and shifted, no variation": ({}, dict(patch_size=3, scaling_factor=0.7, shifting_factor=0.3, use_variation=False, encoder_last_ln=False, qk_bias=True)),
    "no norms of queries and last, larger mask blocks": (dict(qk_bias=True, rope_dim=8, norm_eps=0.01), dict(qk_norm=False, encoder_last_ln=False, block_size=7, rope_theta=500)),
    "no mask": (dict(heads=1, head_dim=20, expand_ratio=1), dict(block_causal=False, patch_size=2, num_heads=4, shared_heads_kv=4, layer_norm_eps=0.01)),
    "no blocks": (dict(num_layers=0), dict(encoder_num_blocks=0, decoder_num_blocks=0, encoder_last_ln=False, shifting_factor=-0.2)),
}


def synthesise(folder, dit, vae):
    for name, config in (("dit.json", dit), ("vae.json", vae)):
        (folder / name).write_text(json.dumps(config))
    subprocess.run(["go", "run", "./cmd/colasynth", "--dit-config", folder / "dit.json", "--vae-config", folder / "vae.json",
                    "--seed", str(SEED), "-o", folder / "model"], cwd=ROOT, check=True)
    return folder / "model" / "cola_dlm"


def shape(lengths):
    return torch.tensor([[n] for n in lengths])


def lists(tensor):
    return [float(f"{x:.9g}") for x in tensor.flatten().tolist()]


@torch.no_grad()
def compute(dit, vae, block, generator):
    p, c = vae.patch_size, vae.latent_dim
    blocks = [2, 1] if vae.block_causal else [2]
    ids = [torch.randint(0, vae.vocab_size + 1, (n * block * p,), generator=generator) for n in blocks]
    rows = [block] * len(blocks)
    z, next_z = (torch.randn(sum(rows), c, generator=generator) for _ in range(2))
    t = torch.full((sum(rows),), 12.5)
    t[0] = 0
    for b in dit.blocks:
        b.set_kv_cache(True)
    vae.set_kv_cache(True)

    latents = [((lat - vae.shifting_factor) * vae.scaling_factor).float() for lat in vae.encode(ids).latents_list]
    prefix, lengths = torch.cat(latents), [lat.shape[0] for lat in latents]
    dit(txt=prefix, txt_shape=shape(lengths), txt_q_shape=shape(lengths), timestep=torch.zeros(sum(lengths)), update_kv=True, use_kv_cache=True)
    vae.decode(z=prefix, txt_shape=shape(lengths), txt_q_shape=shape(lengths), update_kv=True)

    def step(z, lengths, cached, update=False, t=t):
        return dit(txt=z, txt_shape=shape([n + block for n in lengths]), txt_q_shape=shape(rows), timestep=t, update_kv=update, use_kv_cache=cached).txt_sample
    cond, uncond = step(z, lengths, True), step(z, [0] * len(rows), False)
    logits = vae.decode(z=z, txt_shape=shape([n + block for n in lengths]), txt_q_shape=shape(rows), update_kv=True)
    step(z, lengths, True, update=True, t=torch.zeros_like(t))
    next_cond = step(next_z, [n + block for n in lengths], True)
    return dict(ids=[i.tolist() for i in ids], z=lists(z), t=t.tolist(), next_z=lists(next_z), latents=[lists(lat) for lat in latents],
                cond=lists(cond), uncond=lists(uncond), logits=lists(logits), next_cond=lists(next_cond))


def main():
    torch.set_num_threads(1)
    package = types.SimpleNamespace(inference=inference, dit=modeling_cola_dit, vae=modeling_cola_vae)
    cases = []
    for name, (dit_change, vae_change) in CASES.items():
        dit_config, vae_config = DIT | dit_change, VAE | vae_change
        with tempfile.TemporaryDirectory() as folder, contract.apply("exact", "cpu", package):
            model = synthesise(pathlib.Path(folder), dit_config, vae_config)
            dit = modeling_cola_dit.ColaDiTModel.from_pretrained(model / "cola_dit").float().eval()
            vae = modeling_cola_vae.ColaTextVAEModel.from_pretrained(model / "cola_vae").float().eval()
            result = compute(dit, vae, dit_config["block_size"], torch.Generator().manual_seed(len(cases)))
        cases.append(dict(name=name, dit=dit_config, vae=vae_config) | result)
    out = pathlib.Path(__file__).with_name("variants.json")
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    out.write_text(f'{{"seed":{SEED},"cases":[\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
