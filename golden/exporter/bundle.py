"""Writes a bundle: shards of taps as safetensors, and bundle.json. golden/info.go describes the JSON."""

import hashlib
import json
import os
import shutil
import tempfile

import torch
from safetensors.torch import save_file

from . import VERSION
from .errors import Refusal

FORMAT, FORMAT_VERSION = "cola-golden", 1
TYPE_NAMES = {torch.float32: "f32", torch.bfloat16: "bf16", torch.int32: "i32"}


def file_sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while chunk := f.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def tensor_sha256(tensor):
    return hashlib.sha256(tensor.reshape(-1).view(torch.uint8).numpy()).hexdigest()


def dump(info, f):
    """bundle.json: a line per key of the object, and within `taps`, `samples` and `floors` a line per entry."""
    f.write("{")
    for i, (key, value) in enumerate(info.items()):
        f.write((",\n" if i else "\n") + json.dumps(key) + ":" + _lines(value, long=key in ("taps", "samples", "floors")))
    f.write("\n}\n")


def _lines(value, long):
    def text(v):
        return json.dumps(v, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if not long:
        return text(value)
    if isinstance(value, list):
        return "[\n" + ",\n".join(" " + text(v) for v in value) + "\n]"
    return "{\n" + ",\n".join(f" {text(k)}:{text(v)}" for k, v in value.items()) + "\n}"


class Writer:
    """Collects taps and writes a shard whenever `shard_bytes` of them have come together.

    Everything goes to a folder beside `out`, which takes its place in finish(); abandon() leaves no trace.
    """

    def __init__(self, out, shard_bytes):
        self.out, self.shard_bytes = os.path.abspath(out), shard_bytes
        if os.path.exists(self.out) and not self._replaceable():
            raise Refusal(f"{out}: exists and is not a golden bundle; name a new folder or empty this one")
        parent = os.path.dirname(self.out)
        if not os.path.isdir(parent):
            raise Refusal(f"{out}: the folder {parent} does not exist")
        self.dir = tempfile.mkdtemp(prefix=os.path.basename(self.out) + ".partial-", dir=parent)
        self.taps, self.files = [], {}
        self.names, self.pending, self.pending_bytes = set(), {}, 0

    def _replaceable(self):
        return os.path.isdir(self.out) and (not os.listdir(self.out) or os.path.isfile(os.path.join(self.out, "bundle.json")))

    def add(self, name, tensor, run_type=None):
        """Stores a contiguous CPU tensor. `run_type` is the type that the value had in the run, where it differs."""
        if name in self.names:
            raise AssertionError(f"tap {name} was recorded twice")
        self.names.add(name)
        run_type = run_type or TYPE_NAMES[tensor.dtype]
        self.taps.append({
            "name": name, "shape": list(tensor.shape), "type": TYPE_NAMES[tensor.dtype], "run_type": run_type,
            "rounded": run_type == "bf16", "file": self._shard_name(), "sha256": tensor_sha256(tensor),
        })
        self.pending[name] = tensor
        self.pending_bytes += tensor.nbytes
        if self.pending_bytes >= self.shard_bytes:
            self._flush()

    def _shard_name(self):
        return f"taps-{len(self.files) + 1:05d}.safetensors"

    def _flush(self):
        if not self.pending:
            return
        name = self._shard_name()
        path = os.path.join(self.dir, name)
        save_file(self.pending, path)
        os.chmod(path, 0o644)
        self.files[name] = file_sha256(path)
        self.pending, self.pending_bytes = {}, 0

    def finish(self, info):
        """Writes bundle.json from `info` and puts the bundle in its place."""
        self._flush()
        head = {"format": FORMAT, "version": FORMAT_VERSION, "exporter": VERSION}
        with open(os.path.join(self.dir, "bundle.json"), "w", encoding="utf-8") as f:
            dump(head | info | {"files": self.files, "taps": self.taps}, f)
        os.chmod(self.dir, 0o755)
        if os.path.isdir(self.out):
            shutil.rmtree(self.out)
        os.rename(self.dir, self.out)

    def abandon(self):
        shutil.rmtree(self.dir, ignore_errors=True)
