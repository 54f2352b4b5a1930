"""The straightforward conversion that scripts/benchmark.sh compares with.

peer_convert.py MODEL OUT f16|int8: every tensor of a HuggingFace checkpoint to
float16, or every matrix to symmetric int8 per row, with torch and safetensors.
"""
import glob
import os
import sys

import torch
from safetensors.torch import load_file, save_file

model, out, kind = sys.argv[1:4]
os.makedirs(out, exist_ok=True)
for path in sorted(glob.glob(f"{model}/**/*.safetensors", recursive=True)):
    result = {}
    for name, x in load_file(path).items():
        if kind == "int8" and x.ndim == 2:
            scale = x.abs().amax(1, keepdim=True).clamp(min=1e-30) / 127
            result[name] = (x / scale).round().clamp(-127, 127).to(torch.int8)
            result[name + "_scale"] = scale
        else:
            result[name] = x.to(torch.float16)
    target = f"{out}/{os.path.basename(os.path.dirname(path))}-{os.path.basename(path)}"
    save_file(result, target)
    with open(target, "rb+") as f:
        os.fsync(f.fileno())
