"""One observed run of the public package, from prompts to a finished bundle."""

import contextlib
import io
import os
import sys

import torch

from . import checkpoint, contract, environment, observe_dit, observe_vae
from .attention import Attention
from .bundle import Writer
from .errors import Refusal
from .loop import Loop
from .recorder import Recorder

T = 1000.0
TEMPERATURE, TOP_K, TOP_P, REPETITION_PENALTY = 0.0, 50, 0.9, 1.1  # the package's defaults; greedy


def export(options):
    """Runs the package under options.contract and writes the bundle options.out. Returns the writer."""
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise Refusal("--device cuda: torch finds no CUDA device")
    options.contract = options.contract or ("released" if device == "cuda" else "exact")
    _fix_numerics(options)
    package = checkpoint.import_package()
    base = checkpoint.locate(options.model)
    tokenizer_path = checkpoint.find_tokenizer(base, options.tokenizer)
    tokenizer = checkpoint.load_tokenizer(tokenizer_path)
    prompts = checkpoint.read_prompts(options.prompts, tokenizer)
    dit, vae = checkpoint.load_models(package, base)
    pad = _pad_id(options, tokenizer)
    writer = Writer(options.out, options.shard_mb * 1_000_000)
    try:
        run = _Run(options, device, package, dit.to(device), vae.to(device), writer)
        results = run.generate(tokenizer, prompts, pad)
        writer.finish({
            "contract": options.contract, "device": contract.device_label(options.contract, device),
            "attention": options.attention, "level": options.taps,
            "environment": environment.describe(device, options.portable, package),
            "model": checkpoint.identity(base, tokenizer_path),
            "run": run.settings(pad), "samples": run.samples(prompts, results, tokenizer),
            "logit_rows": run.decoder.row_hashes,
        })
    except BaseException:
        writer.abandon()
        raise
    return writer


def _fix_numerics(options):
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True, warn_only=True)
    if options.contract == "exact":
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False


def _pad_id(options, tokenizer):
    if options.pad_token_id is not None:
        return options.pad_token_id
    known = tokenizer.token_to_id("<|pad|>")
    return checkpoint.RELEASED_PAD if known is None else known


class _Run:
    def __init__(self, options, device, package, dit, vae, writer):
        self.options, self.device, self.package, self.dit, self.vae = options, device, package, dit, vae
        package.dit.set_attn_backend(options.attention)
        recorder = Recorder(writer, options.taps, options.block_limit, options.step_limit)
        attention = Attention()
        self.loop = Loop(recorder, attention)
        observe_dit.observe(dit, recorder, attention)
        self.decoder = observe_vae.observe(vae, recorder, attention)
        # Last, so that its wrappers are outermost and the position is known before anything is recorded.
        self.loop.attach(package, dit, vae)

    def generate(self, tokenizer, prompts, pad):
        o = self.options
        os.environ["COLA_INFER_PER_SAMPLE_NOISE_SEED"] = str(o.noise_seed)
        arguments = dict(
            dit=self.dit, vae=self.vae, tokenizer=tokenizer, prompts=prompts, task_name="lambada",
            device=torch.device(self.device), T=T, timestep_num=o.steps, guidance_scale=o.guidance,
            max_new_tokens=o.max_new_tokens, temperature=TEMPERATURE, top_k=TOP_K, top_p=TOP_P,
            repetition_penalty=REPETITION_PENALTY, pad_token_id=pad, eos_token_id=o.eos_token_id, im_end_token_id=o.im_end_token_id,
        )
        generate = self.package.inference.generate_task_repaint_inference
        with contract.apply(o.contract, self.device, self.package), self.loop, contextlib.redirect_stdout(io.StringIO()):
            return generate(**arguments)

    def settings(self, pad):
        o = self.options
        return {
            "T": T, "steps": o.steps, "schedule": self.loop.schedule.tolist(), "schedule_used": self.loop.used.tolist(),
            "guidance": o.guidance, "max_new_tokens": o.max_new_tokens, "temperature": TEMPERATURE, "top_k": TOP_K,
            "top_p": TOP_P, "repetition_penalty": REPETITION_PENALTY, "pad_token_id": pad,
            "eos_token_id": o.eos_token_id, "im_end_token_id": o.im_end_token_id, "noise_seed": o.noise_seed,
            "batch_size": len(self.loop.token_ids), "blocks": len(self.loop.blocks),
            "block_limit": o.block_limit, "step_limit": o.step_limit,
        }

    def samples(self, prompts, results, tokenizer):
        return [self._sample(i, record, result, tokenizer) for i, (record, result) in enumerate(zip(prompts, results))]

    def _sample(self, i, record, result, tokenizer):
        patch = self.vae.patch_size
        ids, prefix, pinned = self.loop.token_ids[i], self.loop.prefix_latents[i], self.loop.pinned_rows[i]
        real = len(tokenizer.encode(result["prompt"]).ids)
        latents = -(-real // patch)
        if latents != prefix + pinned:
            raise AssertionError(f"sample {i}: {latents} prompt latents, but the run used {prefix} + {pinned}")
        return {
            "id": record.get("id"), "prompt": result["prompt"], "token_ids": ids,
            "labels": [1] * real + [3] * (len(ids) - real), "prompt_latents": latents, "prefix_latents": prefix,
            "pinned_rows": pinned, "first_block_guidance": self.options.guidance if prefix else 1.0,
            "trim": real - prefix * patch if pinned else 0,
            "blocks": [block[i] for block in self.loop.blocks], "text": result["generate"],
        }


def report(writer, stream=sys.stderr):
    size = sum(os.path.getsize(os.path.join(writer.out, name)) for name in writer.files)
    print(f"{writer.out}: {len(writer.taps)} taps in {len(writer.files)} file(s), {size / 1e6:.1f} MB", file=stream)
