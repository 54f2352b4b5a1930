"""Finds and loads what is exported: the package, both models, the tokenizer and the prompts."""

import importlib
import json
import os
import sys
from types import SimpleNamespace

from .bundle import file_sha256
from .errors import INTEGRITY, Refusal

RELEASED_PAD = 100277
ROPE_BUFFER = ".rope.rope.freqs"  # may be absent: the class computes it


def import_package():
    """Imports the public package, from the folder in the variable COLA_DLM where that is set."""
    if folder := os.environ.get("COLA_DLM"):
        sys.path.insert(0, folder)
    try:
        names = ("inference", "modeling_cola_dit", "modeling_cola_vae")
        inference, dit, vae = (importlib.import_module("cola_dlm." + name) for name in names)
    except ImportError as err:
        raise Refusal(f"cannot import cola_dlm ({err}); get the public repository ByteDance-Seed/Cola-DLM, set COLA_DLM to "
                      "its folder, and install golden/requirements.txt") from None
    root = os.path.dirname(inference.__file__)
    sources = {name: file_sha256(os.path.join(root, name)) for name in sorted(os.listdir(root)) if name.endswith(".py")}
    return SimpleNamespace(inference=inference, dit=dit, vae=vae, sources=sources,
                           version=getattr(importlib.import_module("cola_dlm"), "__version__", None))


def locate(model):
    """Returns the folder that holds cola_dit/ and cola_vae/: `model`, `model`/cola_dlm or one level up."""
    if not os.path.isdir(model):
        raise Refusal(f"{model}: no such folder")
    for base in (model, os.path.join(model, "cola_dlm"), os.path.dirname(os.path.abspath(model))):
        if all(os.path.isdir(os.path.join(base, part)) for part in ("cola_dit", "cola_vae")):
            for part in ("cola_dit", "cola_vae"):
                _require_files(os.path.join(base, part))
            return base
    raise Refusal(f"{model}: holds no cola_dit/ and cola_vae/; name the folder with both model folders")


def _require_files(folder):
    if not os.path.isfile(os.path.join(folder, "config.json")):
        raise Refusal(f"{folder}: no config.json", INTEGRITY)
    index = os.path.join(folder, "model.safetensors.index.json")
    if os.path.isfile(index):
        shards = sorted(set(read_json(index).get("weight_map", {}).values()))
    else:
        shards = ["model.safetensors"]
    for shard in shards:
        if not os.path.isfile(os.path.join(folder, shard)):
            raise Refusal(f"{folder}: no weights, {shard} is missing", INTEGRITY)


def read_json(path):
    try:
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    except (ValueError, OSError) as err:
        raise Refusal(f"{path}: {err}", INTEGRITY) from None


def identity(base, tokenizer):
    """Both configs and the sha256 of every file that the run reads, named relative to the model."""
    sources = {}
    for part in ("cola_dit", "cola_vae"):
        for name in sorted(os.listdir(os.path.join(base, part))):
            if name.endswith((".json", ".safetensors")):
                sources[f"{part}/{name}"] = file_sha256(os.path.join(base, part, name))
    sources["tokenizer.json"] = file_sha256(tokenizer)
    configs = {part: read_json(os.path.join(base, "cola_" + part, "config.json")) for part in ("dit", "vae")}
    return {"dit_config": configs["dit"], "vae_config": configs["vae"], "sources": sources}


def load_models(package, base):
    """Both models, with every tensor taken from the checkpoint."""
    dit = _load(package.dit.ColaDiTModel, os.path.join(base, "cola_dit"))
    vae = _load(package.vae.ColaTextVAEModel, os.path.join(base, "cola_vae"))
    return dit, vae


def _load(cls, folder):
    """The model in float32, as the release keeps its master weights."""
    import transformers
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        model, report = cls.from_pretrained(folder, output_loading_info=True)
    except Exception as err:  # every library below raises its own kinds
        raise Refusal(f"{folder}: cannot be loaded: {one_line(err)}", INTEGRITY) from err
    buffers = sorted(k for k in report["missing_keys"] if k.endswith(ROPE_BUFFER))
    for what, names in (("lacks", set(report["missing_keys"]) - set(buffers)), ("has unknown", report["unexpected_keys"]),
                        ("misshapes", map(str, report["mismatched_keys"]))):
        if names := sorted(names):
            raise Refusal(f"{folder}: the checkpoint {what} {names[0]} ({len(names)} in all)", INTEGRITY)
    for name in buffers:
        _restore_frequencies(model.get_submodule(name.removesuffix(".freqs")))
    return model.float().eval()


def _restore_frequencies(rope):
    """Gives a rotary embedding the frequencies of its class: transformers leaves a missing buffer uninitialised."""
    fresh = type(rope)(dim=2 * rope.freqs.shape[0], freqs_for="lang", theta=10000)
    rope.freqs.copy_(fresh.freqs.data)


def find_tokenizer(base, given):
    if given:
        if not os.path.isfile(given):
            raise Refusal(f"{given}: no such tokenizer file")
        return given
    for folder in (base, os.path.dirname(os.path.abspath(base))):
        path = os.path.join(folder, "tokenizer.json")
        if os.path.isfile(path):
            return path
    raise Refusal(f"no tokenizer.json beside {base} or one level up; name one with --tokenizer")


def load_tokenizer(path):
    from tokenizers import Tokenizer
    try:
        return Tokenizer.from_file(path)
    except Exception as err:
        raise Refusal(f"{path}: not a tokenizer: {one_line(err)}", INTEGRITY) from None


def read_prompts(path, tokenizer):
    """The records of a JSONL file as the package takes them; a plain `prompt` stands for `question`."""
    records = []
    try:
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                if line.strip():
                    records.append(_record(line, f"{path}, line {number}", tokenizer))
    except (OSError, UnicodeDecodeError) as err:
        raise Refusal(f"{path}: {one_line(err)}") from None
    if not records:
        raise Refusal(f"{path}: holds no prompts")
    return records


def _record(line, where, tokenizer):
    try:
        record = json.loads(line)
    except ValueError as err:
        raise Refusal(f"{where}: not JSON: {err}") from None
    if isinstance(record, dict) and "question" not in record and "prompt" in record:
        record["question"] = record["prompt"]
    if not isinstance(record, dict) or not isinstance(record.get("question"), str):
        raise Refusal(f'{where}: wants an object with the text "question" or "prompt"')
    if not tokenizer.encode(record["question"]).ids:
        raise Refusal(f"{where}: the prompt tokenises to nothing; give it some text")
    return record


def one_line(err):
    return " ".join(str(err).split()) or type(err).__name__
