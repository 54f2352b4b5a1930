"""Tests of export.py and floors.py on the tiny model; they need cola_dlm (COLA_DLM or PYTHONPATH)."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TINY = os.path.join(HERE, "tiny")
sys.path[:0] = [HERE] + ([os.environ["COLA_DLM"]] if os.environ.get("COLA_DLM") else [])
pytest.importorskip("cola_dlm", reason="not run: cola_dlm cannot be imported; set COLA_DLM to the folder that holds it")

PROMPTS = os.path.join(TINY, "bundle_ops.jsonl")


def export(out, *more, model=TINY, prompts=PROMPTS, env=None):
    command = [sys.executable, os.path.join(HERE, "export.py"), "--model", str(model), "--prompts", str(prompts), "--out", str(out)]
    environment = {k: v for k, v in os.environ.items() if k != "COLA_INFER_PER_SAMPLE_NOISE_SEED"} | (env or {})
    return subprocess.run(command + list(more), capture_output=True, text=True, env=environment, check=False)


def bundle(out, *more, **how):
    done = export(out, *more, **how)
    assert done.returncode == 0, done.stderr
    with open(out / "bundle.json", encoding="utf-8") as f:
        return json.load(f)


def sums(info):
    return {t["name"]: t["sha256"] for t in info["taps"]}


@pytest.fixture(scope="session")
def ops(tmp_path_factory):
    """Two blocks of two steps at --taps ops, by contract."""
    root = tmp_path_factory.mktemp("ops")
    return {c: bundle(root / c, "--contract", c, "--steps", "2", "--max-new-tokens", "8") for c in ("exact", "released")}


# What is recorded.


def test_tokens_are_those_of_the_package(tmp_path):
    info = bundle(tmp_path / "b", "--taps", "tokens", "--contract", "exact", prompts=os.path.join(TINY, "prompts.jsonl"))
    with open(os.path.join(TINY, "expect.jsonl"), encoding="utf-8") as f:
        want = [json.loads(line) for line in f]
    assert [sum(s["blocks"], []) for s in info["samples"]] == [w["block_tokens"] for w in want]
    assert [s["text"] for s in info["samples"]] == [w["generate"] for w in want]


def test_same_inputs_same_bytes(tmp_path, ops):
    again = bundle(tmp_path / "b", "--contract", "released", "--steps", "2", "--max-new-tokens", "8")
    assert sums(again) == sums(ops["released"])
    assert again["files"] == ops["released"]["files"]


DIT_BLOCK = """ada.msa_in.shift ada.msa_in.scale msa.norm msa.in msa.qkv msa.q msa.k msa.q_rot msa.k_rot msa.scores msa.attn msa.out
    ada.msa_out.gate msa.residual ada.mlp_in.shift ada.mlp_in.scale mlp.norm mlp.in mlp.hidden mlp.act mlp.out ada.mlp_out.gate
    mlp.residual""".split()
VAE_BLOCK = """attn.norm attn.qkv attn.q attn.k attn.q_rot attn.k_rot attn.scores attn.attn attn.out attn.residual ffn.norm ffn.hidden
    ffn.act ffn.out ffn.residual""".split()
DIT_HEAD = ["dit.txt_in", "dit.emb.sinusoid", "dit.emb"]
DIT_TAIL = ["dit.txt_out_norm", "dit.txt_out_ada.out_in.shift", "dit.txt_out_ada.out_in.scale", "dit.txt_out.in", "dit.velocity"]
LOOP = ["z", "t", "t_used", "velocity", "z_next"]
LOGITS = ["logits.top_values", "logits.top_ids", "logits.logsumexp"]


def expected_names(blocks, steps):
    def dit(stage, cached):
        ops = DIT_BLOCK + (["msa.v"] if cached else [])
        paths = DIT_HEAD + [f"dit.blocks.{i}.{op}" for i in range(4) for op in ops] + ([] if cached else DIT_TAIL)
        return [f"{stage}/{p}" for p in paths]

    def vae(stage, part, more, cached):
        ops = VAE_BLOCK + (["attn.k_raw", "attn.v"] if cached else [])
        return [f"{stage}/{p}" for p in [f"vae.{part}.blocks.{i}.{op}" for i in range(2) for op in ops] + more]

    encoder = ["vae.encoder.wte", "vae.encoder.patch", "vae.encoder.final", "vae.encoder.norm", "vae.latents"]
    decoder = ["vae.decoder.in_layer", "vae.decoder.unpatch", "vae.decoder.norm", "vae.decoder.logits", *LOGITS]
    names = vae("encode", "encoder", encoder, False) + dit("prefill", True) + vae("prefill", "decoder", decoder[:1], True)
    for b in (f"b{b:02d}" for b in range(blocks)):
        names += [f"noise/{b}"] + vae(f"{b}/decode", "decoder", decoder, True) + dit(f"{b}/commit", True)
        for s in (f"{b}/s{s:02d}" for s in range(steps)):
            names += [f"{s}/{v}" for v in LOOP] + dit(f"{s}/cond", False) + dit(f"{s}/uncond", False)
    return names


@pytest.mark.parametrize("contract", ["exact", "released"])
def test_names_at_ops(ops, contract):
    assert sorted(sums(ops[contract])) == sorted(expected_names(blocks=2, steps=2))


@pytest.mark.parametrize("contract", ["exact", "released"])
def test_names_at_layers_and_tokens(tmp_path, contract):
    always = r"noise/|/(z|t|t_used|velocity|z_next)$|/(dit\.velocity|vae\.latents|logits\..*)$"
    always += r"|(prefill|commit)/dit\.blocks\.\d\.msa\.[kv]$|(prefill|decode)/vae\.decoder\.blocks\.\d\.attn\.(k_raw|v)$"
    layers = always + r"|blocks\.\d\.(in|msa\.out|mlp\.out|attn\.out|ffn\.out)$"
    inputs = [f"{p}.in" for p in block_paths(blocks=2, steps=2)]
    everything = expected_names(blocks=2, steps=2) + inputs
    for level, pattern in (("tokens", always), ("layers", layers)):
        info = bundle(tmp_path / level, "--contract", contract, "--taps", level, "--steps", "2", "--max-new-tokens", "8")
        assert sorted(sums(info)) == sorted(n for n in everything if re.search(pattern, n))


def block_paths(blocks, steps):
    marks = ("msa.in", "attn.qkv")  # one operation of each kind of block
    names = expected_names(blocks, steps)
    return [n.removesuffix("." + m) for n in names for m in marks if n.endswith("." + m)]


def test_shapes(ops):
    shape = {t["name"]: t["shape"] for t in ops["exact"]["taps"]}
    rows, keys, prompt = 12, 20, 16  # 3 samples × 4; prefixes of 4 + 4 + 0; padded prompts of 4 + 8 + 4
    block, decoder = "b00/s00/cond/dit.blocks.3.", "b00/decode/vae.decoder.blocks.1."
    assert {n: shape[n] for n in shape if n.startswith("b00/s00/") and n.count("/") == 2} == {
        f"b00/s00/{v}": [rows, 16] if v in ("z", "velocity", "z_next") else [rows] for v in LOOP}
    assert shape["noise/b00"] == [3, 4, 16]
    assert shape["encode/vae.encoder.wte"] == [prompt, 64]
    assert shape["encode/vae.latents"] == [prompt, 16]
    assert shape["prefill/dit.blocks.0.msa.k"] == [8, 4, 32]
    assert shape[block + "msa.qkv"] == [rows, 3 * 128]
    assert shape[block + "msa.q_rot"] == [rows, 4, 32]
    assert shape[block + "msa.k_rot"] == [keys, 4, 32]
    assert shape[block + "msa.scores"] == [4, rows, keys]
    assert shape[block.replace("cond", "uncond") + "msa.scores"] == [4, rows, rows]
    assert shape[block + "mlp.act"] == [rows, 3 * 128]
    assert shape[decoder + "attn.k_raw"] == [rows, 64]
    assert shape[decoder + "attn.k"] == [keys, 64]
    assert shape[decoder + "attn.k_rot"] == [keys, 2, 32]
    assert shape["b00/decode/vae.decoder.logits"] == [rows, 768]
    assert shape["b00/decode/logits.top_ids"] == [rows, 64]


def test_types_of_the_released_run(ops):
    got = {t["name"]: t["run_type"] for t in ops["released"]["taps"]}
    assert {t["run_type"] for t in ops["exact"]["taps"]} == {"f32", "i32"}
    rounded = "msa.qkv msa.v msa.scores msa.attn msa.out msa.residual mlp.hidden mlp.act mlp.residual ada.msa_in.scale".split()
    plain = "msa.norm msa.in msa.q msa.k msa.q_rot msa.k_rot mlp.in".split()
    assert {op: got[f"b00/commit/dit.blocks.1.{op}"] for op in rounded} == dict.fromkeys(rounded, "bf16")
    assert {op: got[f"b00/commit/dit.blocks.1.{op}"] for op in plain} == dict.fromkeys(plain, "f32")
    assert got["b00/s00/t"] == got["b00/s00/z"] == got["b00/s00/z_next"] == "f32"
    assert got["b00/s00/t_used"] == got["b00/s00/velocity"] == "bf16"
    assert got["b00/decode/vae.decoder.blocks.0.ffn.residual"] == "f32"
    assert got["b00/decode/vae.decoder.logits"] == "bf16"


def test_limits(tmp_path, ops):
    info = bundle(tmp_path / "b", "--contract", "exact", "--steps", "2", "--max-new-tokens", "8", "--block-limit", "1", "--step-limit", "1")
    want = {n for n in sums(ops["exact"]) if n.startswith("noise/") or not re.match(r"b01/|b00/s01/", n)}
    assert set(sums(info)) == want
    assert info["samples"] == ops["exact"]["samples"]


def test_small_shards_hold_the_same(tmp_path, ops):
    info = bundle(tmp_path / "b", "--contract", "exact", "--steps", "2", "--max-new-tokens", "8", "--shard-mb", "1")
    assert len(info["files"]) > 3
    assert sums(info) == sums(ops["exact"])


def test_fused_attention_hides_the_scores(tmp_path, ops):
    info = bundle(tmp_path / "b", "--contract", "released", "--steps", "2", "--max-new-tokens", "8", "--attention", "sdpa")
    assert set(sums(ops["released"])) - set(sums(info)) == {n for n in sums(ops["released"]) if n.endswith(".msa.scores")}


def test_samples(ops):
    short, text, plain = sorted(ops["exact"]["samples"], key=lambda s: str(s["id"]))[1:] + ops["exact"]["samples"][:1]
    assert (plain["prefix_latents"], plain["pinned_rows"], plain["trim"], plain["first_block_guidance"]) == (4, 0, 0, 7.0)
    assert (text["id"], text["prefix_latents"], text["pinned_rows"], text["trim"]) == ("story-5", 4, 2, 2)
    assert (short["prefix_latents"], short["pinned_rows"], short["first_block_guidance"]) == (0, 3, 1.0)
    assert short["labels"] == [1, 1, 1, 3] and short["token_ids"][3] == 767


# Odd checkpoints: the observed run must say what the package says by itself.

ODD = {
    "pre-norm": ({}, {"post_norm": False, "layer_norm_affine": False, "bias": False}),
    "plain attention": ({"qk_bias": True}, {"qk_norm": False, "act": "gelu", "clip_qkv": 0.3, "qk_bias": True}),
    "one key head": ({}, {"shared_heads_kv": 4, "act": "silu", "rope_full_precision": False}),
    "patches, no variation": ({"block_size": 2}, {"patch_size": 2, "use_variation": False, "block_size": 4, "shifting_factor": 0.2}),
    "no last norm": ({"num_layers": 1}, {"encoder_last_ln": False, "encoder_num_blocks": 0, "decoder_num_blocks": 1}),
}


def odd_checkpoint(folder, dit_config, vae_config):
    import torch
    from cola_dlm import ColaDiTConfig, ColaDiTModel, ColaTextVAEConfig, ColaTextVAEModel
    torch.manual_seed(1)
    dit = ColaDiTModel(ColaDiTConfig(**{"txt_dim": 64, "emb_dim": 64, "heads": 4, "head_dim": 16, "expand_ratio": 3, "num_layers": 2,
                                        "rope_dim": 12} | dit_config))
    vae = ColaTextVAEModel(ColaTextVAEConfig(**{"vocab_size": 768, "dim": 64, "ffn_dim": 128, "num_heads": 4, "encoder_num_blocks": 2,
                                                "decoder_num_blocks": 2} | vae_config))
    with torch.no_grad():
        for p in [*dit.parameters(), *vae.parameters()]:
            p.normal_(0.5 if p.ndim == 1 else 0, 0.2 if p.ndim == 1 else p[0].numel() ** -0.5)
    dit.save_pretrained(folder / "cola_dit", max_shard_size="100KB")
    vae.save_pretrained(folder / "cola_vae")
    shutil.copy(os.path.join(TINY, "tokenizer.json"), folder)


def said_by_the_package(folder, contract_name):
    """The sampled ids per block, without any observer."""
    import torch
    from exporter import checkpoint, contract
    package = checkpoint.import_package()
    dit, vae = checkpoint.load_models(package, str(folder))
    tokenizer = checkpoint.load_tokenizer(str(folder / "tokenizer.json"))
    blocks, sample = [], package.inference.sample_with_strategies

    def keep(*args, **kwargs):
        blocks.append(sample(*args, **kwargs))
        return blocks[-1]
    with pytest.MonkeyPatch.context() as patch, contract.apply(contract_name, "cpu", package):
        patch.setenv("COLA_INFER_PER_SAMPLE_NOISE_SEED", "66")
        patch.setattr(package.inference, "sample_with_strategies", keep)
        torch.set_num_threads(1)
        package.inference.generate_task_repaint_inference(
            dit=dit, vae=vae, tokenizer=tokenizer, prompts=checkpoint.read_prompts(PROMPTS, tokenizer), device=torch.device("cpu"),
            timestep_num=3, max_new_tokens=16, pad_token_id=767)
    return [b.tolist() for b in blocks]


@pytest.mark.parametrize("contract", ["exact", "released"])
@pytest.mark.parametrize("name", ODD)
def test_odd_checkpoints(tmp_path, name, contract):
    odd_checkpoint(tmp_path, *ODD[name])
    info = bundle(tmp_path / "b", "--contract", contract, "--steps", "3", "--max-new-tokens", "16", model=tmp_path)
    got = [[s["blocks"][b] for s in info["samples"]] for b in range(info["run"]["blocks"])]
    assert got == said_by_the_package(tmp_path, contract)


def test_missing_rotary_buffers_are_those_of_the_class(tmp_path, ops):
    from safetensors.torch import load_file, save_file
    copy_model(tmp_path / "m")
    path = tmp_path / "m" / "cola_dit" / "model.safetensors"
    save_file({k: v for k, v in load_file(path).items() if not k.endswith("rope.freqs")}, path, metadata={"format": "pt"})
    info = bundle(tmp_path / "b", "--contract", "exact", "--steps", "2", "--max-new-tokens", "8", model=tmp_path / "m")
    assert sums(info) == sums(ops["exact"])


# Refusals: one line, the right status, nothing left behind.


def copy_model(to):
    shutil.copytree(TINY, to, ignore=shutil.ignore_patterns("recipe", "*.md"))


def refused(tmp_path, status, says, *more, **how):
    done = export(tmp_path / "out", *more, **how)
    assert done.returncode == status, done.stderr
    assert done.stderr.count("\n") == 1 and says in done.stderr, done.stderr
    assert not [n for n in os.listdir(tmp_path) if n.startswith("out")]


def test_refuses_no_model(tmp_path):
    refused(tmp_path, 2, "no such folder", model=tmp_path / "none")
    refused(tmp_path, 2, "holds no cola_dit/ and cola_vae/", model=os.path.join(HERE, "bundles"))


@pytest.mark.parametrize("part", ["cola_dit", "cola_vae"])
@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_refuses_incomplete_model(tmp_path, part, file):
    copy_model(tmp_path / "m")
    os.remove(tmp_path / "m" / part / file)
    refused(tmp_path, 3, part, model=tmp_path / "m")


def test_refuses_damaged_weights(tmp_path):
    copy_model(tmp_path / "m")
    os.truncate(tmp_path / "m" / "cola_vae" / "model.safetensors", 100_000)
    refused(tmp_path, 3, "cannot be loaded", model=tmp_path / "m")


@pytest.mark.parametrize("change, says", [("drop", "the checkpoint lacks txt_in.proj.bias"), ("add", "the checkpoint has unknown extra")])
def test_refuses_other_tensors(tmp_path, change, says):
    from safetensors.torch import load_file, save_file
    copy_model(tmp_path / "m")
    path = tmp_path / "m" / "cola_dit" / "model.safetensors"
    tensors = load_file(path)
    if change == "drop":
        del tensors["txt_in.proj.bias"]
    else:
        tensors["extra"] = tensors["txt_in.proj.bias"].clone()
    save_file(tensors, path, metadata={"format": "pt"})
    refused(tmp_path, 3, says, model=tmp_path / "m")


@pytest.mark.parametrize("lines, says", [
    ('{"question": ""}', "line 1: the prompt tokenises to nothing"),
    ('{"question": "Max"}\n{"answer": "x"}', 'line 2: wants an object with the text "question" or "prompt"'),
    ("Max", "line 1: not JSON"),
    ("\n", "holds no prompts"),
])
def test_refuses_prompts(tmp_path, lines, says):
    (tmp_path / "p.jsonl").write_text(lines, encoding="utf-8")
    refused(tmp_path, 2, says, prompts=tmp_path / "p.jsonl")


def test_refuses_a_seed_left_behind(tmp_path):
    refused(tmp_path, 2, "COLA_INFER_PER_SAMPLE_NOISE_SEED=7 is set", env={"COLA_INFER_PER_SAMPLE_NOISE_SEED": "7"})


def test_refuses_to_replace_what_is_no_bundle(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x")
    done = export(tmp_path / "kept")
    assert done.returncode == 2 and "is not a golden bundle" in done.stderr
    assert os.listdir(tmp_path / "kept") == ["file"]


# Floors.


def run_floors(base, *more):
    command = [sys.executable, os.path.join(HERE, "floors.py"), str(base), *map(str, more)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_floors(tmp_path):
    settings = ("--contract", "released", "--taps", "layers", "--steps", "2", "--max-new-tokens", "4")
    before = bundle(tmp_path / "base", *settings)
    bundle(tmp_path / "sdpa", *settings, "--attention", "sdpa")
    with open(PROMPTS, encoding="utf-8") as f:
        for i, line in enumerate(f):
            (tmp_path / "p.jsonl").write_text(line, encoding="utf-8")
            bundle(tmp_path / f"one{i}", *settings, prompts=tmp_path / "p.jsonl")
    parts = [tmp_path / f"one{i}" for i in range(3)]
    done = run_floors(tmp_path / "base", "--with", tmp_path / "sdpa", "--with", *parts)
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "base" / "bundle.json", encoding="utf-8") as f:
        info = json.load(f)
    assert sums(info) == sums(before)
    floats = {t["name"] for t in info["taps"] if t["type"] != "i32" and not t["name"].startswith("noise/")}
    assert set(info["floors"]) == floats
    assert info["floors"]["b00/s00/t"] == {"rms": 0.0, "p999": 0.0}
    assert 0 < info["floors"]["b00/s00/cond/dit.blocks.3.mlp.out"]["rms"] < 0.1


def test_floors_refuse_another_case(tmp_path):
    for name, steps in (("a", "2"), ("b", "3")):
        bundle(tmp_path / name, "--contract", "exact", "--taps", "tokens", "--steps", steps, "--max-new-tokens", "4")
    done = run_floors(tmp_path / "a", "--with", tmp_path / "b")
    assert done.returncode == 2 and "its steps differs" in done.stderr
