#!/usr/bin/env python3
"""Measures the error that the model's own numerics make, and writes it into a bundle.

    python golden/floors.py BUNDLE --with VARIATION [--with PART PART ...]

A variation is the same case exported with other numerics: another attention backend, device or number of threads. Several
folders after one --with are the batch cut into smaller ones, in order. For every tap that a variation holds in the same
shape, the root mean square and the 99.9th percentile (nearest rank) of the difference are stored as `floors` in
BUNDLE/bundle.json; of several variations the larger counts.
"""

import argparse
import json
import math
import os
import sys

from exporter.errors import INTEGRITY, Refusal

SAME = ("format", "version", "contract", "level")  # of two bundles that may be compared
SAME_RUN = ("T", "steps", "schedule", "guidance", "max_new_tokens", "pad_token_id", "repetition_penalty")
DIGITS = 4  # significant


class Bundle:
    """A bundle for reading; see golden/info.go."""

    def __init__(self, folder):
        self.folder = folder
        try:
            with open(os.path.join(folder, "bundle.json"), encoding="utf-8") as f:
                self.info = json.load(f)
            self.taps = {t["name"]: t for t in self.info["taps"]}
        except (OSError, ValueError, KeyError) as err:
            raise Refusal(f"{folder}: no readable bundle: {err}", INTEGRITY) from None
        self.handles = {}

    def read(self, name):
        from safetensors import safe_open
        file = self.taps[name]["file"]
        if file not in self.handles:
            self.handles[file] = safe_open(os.path.join(self.folder, file), "pt")
        return self.handles[file].get_tensor(name)


def check_same_case(base, parts):
    for part in parts:
        for owner, keys in ((lambda b: b.info, SAME), (lambda b: b.info["run"], SAME_RUN), (lambda b: b.info["model"], ("sources",))):
            for key in keys:
                if owner(base)[key] != owner(part)[key]:
                    raise Refusal(f"{part.folder}: its {key} differs from that of {base.folder}; export the same case")
    prompts = [s["token_ids"] for part in parts for s in part.info["samples"]]
    if prompts != [s["token_ids"] for s in base.info["samples"]]:
        raise Refusal(f"{' '.join(p.folder for p in parts)}: not the prompts of {base.folder}, in order")


def together(parts, name):
    """The parts' values of a tap, one batch after the other; None where no part holds it."""
    import torch
    values = [part.read(name) for part in parts if name in part.taps]
    if len(values) > 1 and any(v.shape[1:] != values[0].shape[1:] for v in values):
        return None  # attention scores span the keys of all samples
    return torch.cat(values) if values else None


def measure(base, parts):
    """Yields (tap, rms, p999) for every floating-point tap that both sides hold in the same shape."""
    import torch
    check_same_case(base, parts)
    for name, tap in base.taps.items():
        want, got = base.read(name), together(parts, name)
        if got is None or got.shape != want.shape or not want.is_floating_point():
            continue
        difference = (got.double() - want.double()).abs().flatten()
        if name.startswith("noise/"):
            if bool(difference.any()):
                raise Refusal(f"{parts[0].folder}: started from other noise than {base.folder}; give the prompts ids and the same --noise-seed")
            continue
        rank = max(math.ceil(0.999 * difference.numel()), 1)
        yield name, difference.square().mean().sqrt().item(), torch.kthvalue(difference, rank).values.item()


def floors(base, variations):
    found = {}
    for parts in variations:
        for name, rms, p999 in measure(base, parts):
            old = found.get(name, {"rms": 0.0, "p999": 0.0})
            found[name] = {"rms": max(old["rms"], rounded(rms)), "p999": max(old["p999"], rounded(p999))}
    return {name: found[name] for name in base.taps if name in found}


def rounded(value):
    return float(f"{value:.{DIGITS}g}")


def store(base, values):
    from exporter.bundle import dump
    path = os.path.join(base.folder, "bundle.json")
    with open(path + ".partial", "w", encoding="utf-8") as f:
        dump(base.info | {"floors": values}, f)
    os.replace(path + ".partial", path)


def main(argv=None):
    p = argparse.ArgumentParser(prog="floors.py", description="Store the error of the model's own numerics in a bundle.")
    p.add_argument("bundle", metavar="BUNDLE")
    p.add_argument("--with", dest="variations", action="append", nargs="+", required=True, metavar="DIR",
                   help="the same case exported otherwise; several folders are the batch in parts")
    options = p.parse_args(argv)
    try:
        base = Bundle(options.bundle)
        values = floors(base, [[Bundle(folder) for folder in parts] for parts in options.variations])
        if not values:
            raise Refusal(f"{options.bundle}: the variations hold no tap in the same shape")
        store(base, values)
    except Refusal as err:
        print(f"floors.py: {err}", file=sys.stderr)
        return err.code
    print(f"{options.bundle}: floors of {len(values)} taps", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
