"""Loads exports with the packages that users load them with, and compares.

    load.py FOLDER

FOLDER holds the checkpoint that was converted (checkpoint/), the exports, and
cases.json: a list of {"kind", "path", "type"}. Kinds: safetensors, compressed-tensors,
gguf. Beside a gguf file lies PATH.decoded.safetensors, its tensors as colakit's reader
decodes them. COLA_DLM names the folder that holds the public package, if it is not
installed; without the package, its classes are not tried and a line says so.
One line for everything compared; the first difference ends the program with status 1.
"""

import importlib.util
import json
import os
import pathlib
import sys

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file

TORCH_TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
MODELS = {"cola_dit": ("modeling_cola_dit", "ColaDiTModel"), "cola_vae": ("modeling_cola_vae", "ColaTextVAEModel")}


def has_package():
    if os.environ.get("COLA_DLM"):
        sys.path.insert(0, os.environ["COLA_DLM"])
    return importlib.util.find_spec("cola_dlm") is not None


def fail(text):
    sys.exit("FAIL " + text)


def same(a, b):
    """Bit for bit, shape and type included."""
    return a.shape == b.shape and a.dtype == b.dtype and torch.equal(a.contiguous().view(torch.uint8), b.contiguous().view(torch.uint8))


def tensors(folder):
    found = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as opened:
            if (opened.metadata() or {}).get("format") != "pt":
                fail(f"{file}: no format in its metadata")
        found.update(load_file(file))
    return found


def buffer(name):
    return name.endswith("rope.freqs")


def load(package, folder, model, **how):
    """The model as from_pretrained gives it, after checking that every weight was found."""
    module, name = MODELS[model]
    cls = getattr(importlib.import_module("cola_dlm." + module), name)
    loaded, info = cls.from_pretrained(folder, output_loading_info=True, **how)
    for key in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        left = [k for k in info[key] if not (key == "missing_keys" and buffer(k))]
        if left:
            fail(f"{folder}: {key} {sorted(left)[:3]}")
    return loaded.eval()


def check_safetensors(root, case, package):
    for model in MODELS:
        folder, source = root / case["path"] / model, tensors(root / "checkpoint" / model)
        stored = tensors(folder)
        if stored.keys() != source.keys():
            fail(f"{folder}: other tensors than the checkpoint's: {sorted(stored.keys() ^ source.keys())[:3]}")
        want = {}
        for name, value in source.items():
            kind = TORCH_TYPES.get(case["type"], stored[name].dtype)  # "": as stored
            want[name] = value if buffer(name) else value.to(kind)
            if not same(stored[name], want[name]):
                fail(f"{folder}: {name} is not the checkpoint's, rounded to {kind}")
        print(f"ok {case['path']}/{model}: {len(stored)} tensors of safetensors are the checkpoint's as {case['type'] or 'stored'}, bit for bit")
        if not package:
            continue
        loaded, original = load(package, folder, model), load(package, root / "checkpoint" / model, model)
        expected, compared = original.state_dict(), 0
        for name, value in loaded.state_dict().items():
            rounded = want[name].to(value.dtype) if name in want else expected[name]
            if not same(value, rounded):
                fail(f"{folder}: from_pretrained loads another {name}")
            if case["type"] in ("", "f32") and stored.get(name, value).dtype == torch.float32 and not same(value, expected[name]):
                fail(f"{folder}: {name} is not what the checkpoint loads")
            compared += 1
        print(f"ok {case['path']}/{model}: from_pretrained of the public package loads {compared} tensors as {next(loaded.parameters()).dtype}")


def check_compressed(root, case, package):
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationConfig
    from compressed_tensors.utils import match_name

    for model in MODELS:
        folder, source = root / case["path"] / model, tensors(root / "checkpoint" / model)
        stored = tensors(folder)
        config = QuantizationConfig.model_validate(json.loads((folder / "config.json").read_text())["quantization_config"])
        compressor, decompressed, worst = BaseCompressor.get_value_from_registry(config.format), {}, 0.0
        for name in [n for n in stored if n.endswith(".weight_scale")]:
            module = name.removesuffix(".weight_scale")
            if module in config.ignore:
                fail(f"{folder}: {module} is quantised and ignored")
            schemes = [s for s in config.config_groups.values() if any(t == "Linear" or match_name(module, t) for t in s.targets)]
            weight, scale = stored.pop(module + ".weight"), stored.pop(name)
            if len(schemes) != 1 or weight.dtype != torch.int8 or int(weight.min()) == -128:
                fail(f"{folder}: {module} has {len(schemes)} schemes and codes of {weight.dtype} from {weight.min()}")
            state = compressor.decompress({"weight": weight, "weight_scale": scale}, schemes[0])
            value, want = state["weight"], source[module + ".weight"]
            halves = (scale / 2).repeat_interleave(-(-want.shape[1] // scale.shape[1]), dim=1)[:, : want.shape[1]]
            # x/s and q·s are rounded to float32, each by at most 127·2⁻²⁴·s
            error = ((value.double() - want.double()).abs() / halves.double().clamp_min(1e-300)).max().item()
            if not error <= 1 + 2**-15 or value.dtype != torch.float32:
                fail(f"{folder}: {module} decompresses to {value.dtype}, {error} of scale/2 from the checkpoint")
            decompressed[module + ".weight"], worst = value, max(worst, error)
        for name, value in stored.items():
            if not same(value, source[name].to(value.dtype)):
                fail(f"{folder}: {name} is not the checkpoint's as {value.dtype}")
        print(f"ok {case['path']}/{model}: compressed-tensors decompresses {len(decompressed)} weights, at most {worst:.6f} of scale/2 away; {len(stored)} others are the checkpoint's")
        if package:
            check_compressed_model(package, folder, model, {**stored, **decompressed})


def check_compressed_model(package, folder, model, values):
    """As Transformers loads it: with codes that are decompressed later, and dequantised at once."""
    from compressed_tensors.compressors import decompress_module
    from transformers import CompressedTensorsConfig

    coded = load(package, folder, model)
    modules = [m for m in coded.modules() if getattr(m, "quantization_scheme", None) is not None]
    for module in modules:
        decompress_module(module)
    dense = load(package, folder, model, quantization_config=CompressedTensorsConfig(dequantize=True))
    for how, found in {"codes": coded.state_dict(), "dequantize=True": dense.state_dict()}.items():
        if not set(values) - set(found) <= {n for n in values if buffer(n)}:
            fail(f"{folder}: from_pretrained ({how}) has no {sorted(set(values) - set(found))[:3]}")
        for name, value in values.items():
            if name in found and not same(found[name], value.to(found[name].dtype)):
                fail(f"{folder}: from_pretrained ({how}) and decompression give another {name}")
    if not modules:
        fail(f"{folder}: no module came with codes")
    print(f"ok {folder.parent.name}/{model}: from_pretrained gives the same {len(values)} tensors, {len(modules)} of them from codes, and with dequantize=True")


def check_gguf(root, case, package):
    import gguf
    from tokenizers import Tokenizer

    path = root / case["path"]
    reader, ours = gguf.GGUFReader(path), load_file(str(path) + ".decoded.safetensors")
    types = {}
    for t in reader.tensors:
        value = np.asarray(gguf.dequantize(t.data, t.tensor_type), dtype=np.float32)
        want = ours.pop(t.name)
        if list(reversed(t.shape.tolist())) != list(want.shape) or not same(torch.from_numpy(value.copy()).reshape(want.shape), want):
            fail(f"{path}: {t.name} ({t.tensor_type.name}) is decoded otherwise by the package gguf")
        types[t.tensor_type.name] = types.get(t.tensor_type.name, 0) + 1
    if ours or len(reader.tensors) == 0:
        fail(f"{path}: the package does not list {sorted(ours)[:3]}")
    value = {k: f.contents() for k, f in reader.fields.items()}
    for key, want in {"general.architecture": "cola", "general.quantization_version": 2, "tokenizer.ggml.model": "gpt2"}.items():
        if value[key] != want:
            fail(f"{path}: {key} is {value[key]}")
    for key, model in {"cola.dit.config_json": "cola_dit", "cola.vae.config_json": "cola_vae"}.items():
        if value[key] != (root / "checkpoint" / model / "config.json").read_text():
            fail(f"{path}: {key} is not the checkpoint's")
        for name, x in json.loads(value[key]).items():
            flat = value.get(key.replace("config_json", name), x)
            if flat != x:
                fail(f"{path}: {name} is {flat}, and {x} in the configuration")
    tokenizer = Tokenizer.from_file(str(root / "checkpoint" / "tokenizer.json"))
    for i, token in enumerate(value["tokenizer.ggml.tokens"]):
        if tokenizer.id_to_token(i) not in (token, None):
            fail(f"{path}: token {i} is {token!r}, and {tokenizer.id_to_token(i)!r} in tokenizer.json")
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    if [" ".join(m) for m in merges] != value["tokenizer.ggml.merges"]:
        fail(f"{path}: other merges than tokenizer.json")
    listed = ", ".join(f"{n} {k}" for k, n in sorted(types.items()))
    print(f"ok {case['path']}: the package gguf lists {len(reader.tensors)} tensors ({listed}) and {len(value)} keys, and decodes the same bits; {len(merges)} merges")


def main():
    root, package = pathlib.Path(sys.argv[1]), has_package()
    if not package:
        print("not run: cola_dlm is not installed and COLA_DLM does not name its folder, so from_pretrained was not tried")
    checks = {"safetensors": check_safetensors, "compressed-tensors": check_compressed, "gguf": check_gguf}
    for case in json.loads((root / "cases.json").read_text()):
        checks[case["kind"]](root, case, package)


if __name__ == "__main__":
    main()
