#!/usr/bin/env python3
"""Exports a golden bundle: one observed run of the public package cola_dlm, recorded operation by operation.

    python golden/export.py --model HF_DIR --prompts P.jsonl --out BUNDLE

The package is imported from this Python environment and run unchanged; hooks and thin wrappers observe it. All prompts
run as one batch, decoded greedily. golden/README.md describes bundles; exit status: 0 written, 1 the package failed,
2 a request that cannot be met, 3 a damaged or incomplete checkpoint.
"""

import argparse
import os
import sys

NOISE_SEED_VARIABLE = "COLA_INFER_PER_SAMPLE_NOISE_SEED"
DEFAULT_NOISE_SEED = 66


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def parser():
    p = argparse.ArgumentParser(prog="export.py", description="Export a golden bundle from the public package cola_dlm.")
    p.add_argument("--model", required=True, metavar="HF_DIR", help="folder with cola_dit/ and cola_vae/ (or cola_dlm/cola_dit …)")
    p.add_argument("--prompts", required=True, metavar="P.jsonl", help="records with question (or prompt), id, answer; one batch")
    p.add_argument("--out", required=True, metavar="BUNDLE", help="folder to write; an older bundle there is replaced")
    p.add_argument("--tokenizer", metavar="FILE", help="default: tokenizer.json beside or one above the model folders")
    p.add_argument("--contract", choices=["exact", "released"], help="default: released on a CUDA device, exact otherwise")
    p.add_argument("--taps", choices=["tokens", "layers", "ops"], default="ops", help="how much is recorded (default %(default)s)")
    p.add_argument("--steps", type=positive, default=16, help="flow-matching steps of a block (default %(default)s)")
    p.add_argument("--guidance", type=float, default=7.0, help="guidance scale (default %(default)s)")
    p.add_argument("--max-new-tokens", type=positive, default=32, help="default %(default)s")
    p.add_argument("--noise-seed", type=int, help=f"base seed of the noise (default {DEFAULT_NOISE_SEED})")
    p.add_argument("--block-limit", type=positive, metavar="N", help="record taps of the first N blocks only; the run is complete all the same")
    p.add_argument("--step-limit", type=positive, metavar="N", help="record taps of the first N steps of a block only")
    p.add_argument("--attention", choices=["naive", "sdpa"], default="naive", help="the DiT's backend (default %(default)s)")
    p.add_argument("--pad-token-id", type=int, help="default: what tokenizer.json calls <|pad|>, else 100277")
    p.add_argument("--eos-token-id", type=int, help="stops a sample (default: none)")
    p.add_argument("--im-end-token-id", type=int, help="stops a sample (default: none)")
    p.add_argument("--device", choices=["cpu", "cuda"], help="default: cuda where there is one")
    p.add_argument("--threads", type=positive, default=1, help="CPU threads; another number may give other last bits (default %(default)s)")
    p.add_argument("--portable", action="store_true", help="slow CPU kernels that give the same bits on every x86-64 machine")
    p.add_argument("--shard-mb", type=positive, default=256, help="size at which a new file is begun (default %(default)s)")
    p.add_argument("--debug", action="store_true", help="show the traceback of a failure")
    return p


def noise_seed(given):
    """The package reads its seed from the environment; a value that was left there must not decide silently."""
    left = os.environ.get(NOISE_SEED_VARIABLE, "").strip()
    if given is None and left:
        from exporter.errors import Refusal
        raise Refusal(f"{NOISE_SEED_VARIABLE}={left} is set but --noise-seed is not given; unset it or give --noise-seed {left}")
    return DEFAULT_NOISE_SEED if given is None else given


def choose_kernels(portable):
    """Must precede the import of torch, which reads these variables once."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if portable:
        os.environ |= {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41"}


def main(argv=None):
    options = parser().parse_args(argv)
    from exporter.errors import Refusal
    try:
        options.noise_seed = noise_seed(options.noise_seed)
        choose_kernels(options.portable)
        from exporter import run
        run.report(run.export(options))
    except Refusal as err:
        if options.debug:
            raise
        return fail(err, err.code)
    except ImportError as err:
        return fail(f"{err}; install golden/requirements.txt", 2)
    except KeyboardInterrupt:
        return fail("interrupted", 130)
    except Exception as err:
        if options.debug:
            raise
        return fail(f"{type(err).__name__}: {' '.join(str(err).split())} (--debug shows where)", 1)
    return 0


def fail(message, code):
    print(f"export.py: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
