"""Record what the public package makes of configurations: tensors.json, verdicts.json, frequencies.json.

    PYTHONPATH=<Cola-DLM checkout> python formats/hf/testdata/gen.py

Needs cola_dlm with torch, transformers, tokenizers, rotary_embedding_torch. Models are tiny and random and run in
float32 on the CPU, with every autocast and bfloat16 cast of the package's inference switched off.
"""
import contextlib, io, json, logging, os, tempfile, types, warnings

warnings.filterwarnings("ignore")
import torch, transformers
import cola_dlm.inference as inference, cola_dlm.modeling_cola_dit as dit_module, cola_dlm.modeling_cola_vae as vae_module
from rotary_embedding_torch import RotaryEmbedding
from tokenizers import Tokenizer, models, pre_tokenizers

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
logging.disable(logging.WARNING)
torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))
DIT = dict(model_type="cola_dit", txt_in_channels=4, txt_out_channels=4, txt_dim=32, emb_dim=32, heads=2, head_dim=16,
           expand_ratio=2, num_layers=2, rope_dim=8, block_size=4)
VAE = dict(model_type="cola_text_vae", vocab_size=40, encoder_num_blocks=1, decoder_num_blocks=1, dim=32, ffn_dim=64,
           latent_dim=4, num_heads=2, rope_theta=10000)


class Float32Torch(types.ModuleType):
    """torch as the package's modules see it: bfloat16 is float32, autocast does nothing."""

    def __getattr__(self, name):
        if name == "bfloat16":
            return torch.float32
        if name == "autocast":
            return lambda *a, **k: contextlib.nullcontext()
        return getattr(torch, name)


def tokenizer():
    t = Tokenizer(models.WordLevel({chr(97 + i): i for i in range(26)}, unk_token="a"))
    t.pre_tokenizer = pre_tokenizers.Whitespace()
    return t


def store(cls, config, folder):
    """Write a random checkpoint of the configuration, config.json exactly as given."""
    os.makedirs(folder)
    path = os.path.join(folder, "config.json")
    with open(path, "w") as f:
        json.dump(config, f)
    model = cls(cls.config_class.from_pretrained(folder))
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.randn(p.shape, generator=g) * 0.2 + (1.0 if "norm" in name and name.endswith("weight") else 0.0))
    model.save_pretrained(folder)
    with open(path, "w") as f:
        json.dump(config, f)


def verdict(dit, vae):
    """'runs', 'runs, not finite', or the error with which the package fails."""
    prompts = [dict(id=i, question=q) for i, q in enumerate(["b c d", "e f g h i j k l m n", "o p q r s t u v"])]
    finite = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            d, v = folder + "/cola_dit", folder + "/cola_vae"
            store(dit_module.ColaDiTModel, dit, d)
            store(vae_module.ColaTextVAEModel, vae, v)
            prior = dit_module.ColaDiTModel.from_pretrained(d).float().eval()
            text = vae_module.ColaTextVAEModel.from_pretrained(v).float().eval()
            decode = text.decode

            def observed(*a, **k):
                logits = decode(*a, **k)
                finite.append(bool(torch.isfinite(logits).all()))
                return logits

            text.decode = observed
            with contextlib.redirect_stdout(io.StringIO()):
                inference.generate_task_repaint_inference(
                    dit=prior, vae=text, tokenizer=tokenizer(), prompts=prompts, device=torch.device("cpu"),
                    timestep_num=3, max_new_tokens=12, pad_token_id=39)
        except Exception as e:
            return type(e).__name__
    return "runs" if all(finite) else "runs, not finite"


def verdicts(cases):
    out = []
    for line in cases:
        which, change = line.split(" ", 1)
        change = json.loads(change)
        out.append({"model": which, "change": change, "verdict": verdict(
            {**DIT, **(change if which == "dit" else {})}, {**VAE, **(change if which == "vae" else {})})})
    return out


def tensors(name, dit, vae):
    out = {"name": name, "dit": dit, "vae": vae}
    for key, cls, config in (("dit_tensors", dit_module.ColaDiTModel, dit), ("vae_tensors", vae_module.ColaTextVAEModel, vae)):
        with torch.device("meta"):
            model = cls(cls.config_class(**{k: v for k, v in config.items() if k != "model_type"}))
        out[key] = {k: list(v.shape) for k, v in sorted(model.state_dict().items())}
    return out


def frequencies():
    out = {"dit": {}, "vae": {}}
    for dim in (4, 6, 8, 10, 24, 32, 48, 64, 96, 116, 128):
        out["dit"][str(dim)] = RotaryEmbedding(dim=dim, freqs_for="lang", theta=10000).freqs.tolist()
    for theta, dim in ((500000, 128), (10000, 32), (10000, 2), (10000.5, 30), (1e300, 8), (0.5, 16), (1000000, 14)):
        # The VAE keeps sines and cosines only: the same values as rotary_embedding_torch computes for its theta.
        out["vae"][f"{theta!r} {dim}"] = (1 / theta ** (torch.arange(0, dim, 2).float() / dim)).tolist()
    return out


def write(name, value):
    with open(os.path.join(HERE, name), "w") as f:
        if isinstance(value, list):
            f.write("[\n" + ",\n".join(json.dumps(v) for v in value) + "\n]\n")
        else:
            json.dump(value, f, indent=1)
            f.write("\n")


def main():
    for m in (inference, dit_module, vae_module):
        m.torch = Float32Torch("torch")
    with open(os.path.join(HERE, "cases.txt")) as f:
        cases = [line.strip() for line in f if line.strip() and not line.startswith("#")]
    write("verdicts.json", verdicts(cases))
    write("tensors.json", [
        tensors("defaults", {}, {}),
        tensors("tiny", DIT, VAE),
        tensors("qk_bias", {**DIT, "qk_bias": True}, {**VAE, "qk_bias": True}),
        tensors("wide attention", {**DIT, "heads": 3, "head_dim": 20, "rope_dim": 12}, {**VAE, "num_heads": 4, "shared_heads_kv": 4}),
        tensors("no qk_norm", {**DIT, "expand_ratio": 3}, {**VAE, "qk_norm": False}),
        tensors("plain qk_norm", {**DIT, "num_layers": 3}, {**VAE, "qk_norm_affine": False, "num_heads": 1}),
        tensors("norm_attn not affine", DIT, {**VAE, "layer_norm_affine": False, "post_norm": False}),
        tensors("no bias", DIT, {**VAE, "bias": False, "qk_bias": True}),
        tensors("silu, patches", DIT, {**VAE, "act": "silu", "ffn_dim": 63, "patch_size": 3}),
        tensors("gelu, one latent", DIT, {**VAE, "act": "gelu", "use_variation": False, "encoder_last_ln": False}),
        tensors("uneven depth", {**DIT, "num_layers": 12}, {**VAE, "encoder_num_blocks": 3, "decoder_num_blocks": 11}),
        tensors("no blocks", {**DIT, "num_layers": 0}, {**VAE, "encoder_num_blocks": 0, "decoder_num_blocks": 0}),
        tensors("eight channels", {**DIT, "txt_in_channels": 8, "txt_out_channels": 8}, {**VAE, "latent_dim": 8, "use_emb": False, "causal": True}),
        tensors("odd widths", {**DIT, "txt_dim": 33, "emb_dim": 33}, {**VAE, "dim": 36, "num_heads": 18, "vocab_size": 7, "encoder_last_ln": False}),
    ])
    write("frequencies.json", frequencies())


if __name__ == "__main__":
    main()
