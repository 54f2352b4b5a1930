"""The two contracts under which the unchanged package is run.

exact     plain float32: the name `torch` inside the package's modules is a proxy whose bfloat16 is float32 and whose
          autocast does nothing.
released  bfloat16 autocast: natively on a CUDA device, emulated on a CPU.
"""

import contextlib
import types

import torch

from .autocast import emulate


class _PlainTorch(types.ModuleType):
    """torch without bfloat16 and without autocast."""

    bfloat16 = torch.float32

    def __getattr__(self, name):
        return getattr(torch, name)

    @staticmethod
    def autocast(*_, **__):
        return contextlib.nullcontext()


@contextlib.contextmanager
def _exact(package):
    modules = (package.inference, package.dit, package.vae)
    for module in modules:
        module.torch = _PlainTorch("torch")
    try:
        yield
    finally:
        for module in modules:
            module.torch = torch


def apply(contract, device, package):
    """Returns the context manager under which `package` computes `contract` on `device` ("cpu" or "cuda")."""
    if contract == "exact":
        return _exact(package)
    return contextlib.nullcontext() if device == "cuda" else emulate()


def device_label(contract, device):
    """The value of `device` in bundle.json."""
    if device == "cuda":
        return "cuda:" + torch.cuda.get_device_name()
    return "cpu" if contract == "exact" else "cpu-emulated"
