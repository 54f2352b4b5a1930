"""What the run was computed with: versions, device and the switches that change numbers."""

import importlib.metadata
import platform
import sys

import torch

PACKAGES = ("transformers", "tokenizers", "safetensors", "einops", "rotary-embedding-torch", "numpy")


def describe(device, portable, package):
    env = {"python": platform.python_version(), "platform": f"{sys.platform}-{platform.machine()}", "torch": torch.__version__}
    env |= {name: _version(name) for name in PACKAGES}
    env |= {"cola_dlm": package.version, "cola_dlm_sources": package.sources}
    env |= {
        "threads": torch.get_num_threads(), "portable": portable,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "tf32": {"matmul": torch.backends.cuda.matmul.allow_tf32, "cudnn": torch.backends.cudnn.allow_tf32},
        "reduced_precision_reduction": {
            "bf16": torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction,
            "fp16": torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction,
        },
        "cuda": torch.version.cuda, "cudnn": None, "gpu": None, "driver": None,
    }
    if device == "cuda":
        env |= {"cudnn": torch.backends.cudnn.version(), "gpu": torch.cuda.get_device_name(), "driver": _driver()}
    return env


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _driver():
    try:
        return torch._C._cuda_getDriverVersion()
    except (AttributeError, RuntimeError):
        return None
