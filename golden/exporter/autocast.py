"""CUDA's bfloat16 autocast on CPU tensors, for a package that is written for CUDA.

    with emulate():
        ...                      # torch.autocast("cuda", ...) inside behaves as on a CUDA device

The op lists are those that PyTorch documents as "CUDA Ops that can autocast to float16 / float32"; the CPU's own
autocast has other lists and is not used. `Tensor.is_cuda` answers True inside, because the package asks it to choose
types. A bfloat16 product is computed in float32 from rounded operands and its result rounded once, so that nothing
depends on the bfloat16 kernels of the CPU at hand; the order of the sums is the only difference from a CUDA device.
A number that is added to a bfloat16 tensor is a float32 operand on a CUDA device; the CPU would round it first.

Libraries switch autocast off with decorators that were made at import (rotary_embedding_torch does). Replacing the
name `torch.autocast` would miss them, hence the class itself is changed for the duration. Not thread-safe.
"""

import contextlib

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

_T = torch.Tensor
LOW = {
    torch.matmul, torch.mm, torch.mv, torch.bmm, torch.addmm, torch.baddbmm, torch.addmv, torch.addbmm, torch.einsum,
    _T.matmul, _T.__matmul__, _T.__rmatmul__, _T.mm, _T.bmm, F.linear, torch.conv1d, torch.conv2d, F.conv1d, F.conv2d,
    F.scaled_dot_product_attention,
}
FULL = {
    F.layer_norm, torch.layer_norm, F.group_norm, F.softmax, torch.softmax, _T.softmax, F.log_softmax, torch.log_softmax,
    torch.exp, _T.exp, torch.log, _T.log, torch.pow, _T.pow, _T.__pow__, _T.__rpow__, torch.rsqrt, _T.rsqrt,
    torch.reciprocal, torch.sum, _T.sum, torch.norm, _T.norm, torch.cumsum, _T.cumsum, torch.prod, _T.prod,
    torch.tan, torch.sinh, torch.cosh, F.softplus, F.cross_entropy, F.mse_loss,
}
SUMS = {torch.add, torch.sub, _T.add, _T.sub, _T.__add__, _T.__radd__, _T.__sub__, _T.__rsub__}
_IS_CUDA = _T.is_cuda.__get__
_FLOATS = (torch.float32, torch.bfloat16, torch.float16)

_enabled = [False]  # the innermost autocast region comes last


def _init(self, device_type=None, dtype=torch.bfloat16, enabled=True, **_):
    self.wanted = enabled


def _enter(self):
    # Instances made before the class was changed carry torch's own attribute instead.
    _enabled.append(getattr(self, "wanted", self.__dict__.get("_enabled", False)))
    return self


def _exit(self, *_):
    _enabled.pop()


def _cast(x, *dtypes):
    if isinstance(x, torch.Tensor):
        if x.is_floating_point() and x.dtype in _FLOATS:
            for dtype in dtypes:
                x = x.to(dtype)
        return x
    if isinstance(x, (list, tuple)):
        return type(x)(_cast(v, *dtypes) for v in x)
    return x


def _call(func, args, kwargs, *dtypes):
    _enabled.append(False)  # the body of an op written in Python is not cast again
    try:
        return func(*_cast(args, *dtypes), **{k: _cast(v, *dtypes) for k, v in kwargs.items()})
    finally:
        _enabled.pop()


def _adds_number(func, args):
    """Whether a bfloat16 tensor meets a Python number in a sum."""
    return (func in SUMS and len(args) == 2 and isinstance(args[0], _T) and args[0].dtype is torch.bfloat16
            and isinstance(args[1], (int, float)))


class CudaAutocast(TorchFunctionMode):
    """Casts the arguments of listed ops while the innermost autocast region is enabled."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func == _IS_CUDA:
            return True
        if _adds_number(func, args):
            return _call(func, args, kwargs, torch.float32).to(torch.bfloat16)
        if not _enabled[-1]:
            return func(*args, **kwargs)
        if func is F.scaled_dot_product_attention:  # a fused kernel has roundings of its own inside
            return _call(func, args, kwargs, torch.bfloat16)
        if func in LOW:
            return _call(func, args, kwargs, torch.bfloat16, torch.float32).to(torch.bfloat16)
        if func in FULL:
            return _call(func, args, kwargs, torch.float32)
        return func(*args, **kwargs)


@contextlib.contextmanager
def emulate():
    """Within it every torch.autocast, of whichever device type, switches the emulation."""
    cls = torch.amp.autocast_mode.autocast
    real = cls.__init__, cls.__enter__, cls.__exit__
    cls.__init__, cls.__enter__, cls.__exit__ = _init, _enter, _exit
    try:
        with CudaAutocast():
            yield
    finally:
        cls.__init__, cls.__enter__, cls.__exit__ = real
