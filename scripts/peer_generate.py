#!/usr/bin/env python3
"""Times the public package's own generation, unobserved, beside `cola generate` and `colaverify`.

    COLA_DLM=DIR python scripts/peer_generate.py --model HF_DIR --prompts P.jsonl [--device cuda] [--batch N] [--steps N] [--max-new-tokens N] [--threads N]

The models are loaded before the clock starts; the run is repeated, and each time is printed, with the seconds that the DiT's
forwards took of it. On a CUDA device the first run warms up, and every forward is waited for. Settings are those of
golden/export.py, so that a bundle's run can be timed; --batch N takes the prompts again and again until there are N.
"""

import argparse
import contextlib
import io
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "golden"), os.path.join(HERE, "golden")]  # in the tree, and where it was carried to


class Clock:
    """The seconds spent in, and the number of, a module's forwards."""

    def __init__(self, module, wait):
        self.seconds, self.calls = 0.0, 0
        forward = module.forward

        def timed(*args, **kwargs):
            wait()
            begin = time.perf_counter()
            try:
                return forward(*args, **kwargs)
            finally:
                wait()
                self.seconds += time.perf_counter() - begin
                self.calls += 1

        module.forward = timed


def options():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--model", required=True)
    p.add_argument("--prompts", required=True)
    p.add_argument("--tokenizer")
    p.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    p.add_argument("--batch", type=int, default=0, help="prompts at a time; default: as many as there are")
    p.add_argument("--contract", choices=["exact", "released"], help="default: released on a CUDA device, exact otherwise")
    p.add_argument("--steps", type=int, default=16)
    p.add_argument("--guidance", type=float, default=7.0)
    p.add_argument("--max-new-tokens", type=int, default=32)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--runs", type=int, default=2)
    return p.parse_args()


def main():
    o = options()
    import torch

    from exporter import checkpoint, contract
    from exporter.run import REPETITION_PENALTY, T, TEMPERATURE, TOP_K, TOP_P

    torch.set_num_threads(o.threads)
    cuda = o.device == "cuda"
    if cuda and not torch.cuda.is_available():
        sys.exit("--device cuda: torch finds no CUDA device")
    o.contract = o.contract or ("released" if cuda else "exact")
    wait = torch.cuda.synchronize if cuda else lambda: None
    os.environ["COLA_INFER_PER_SAMPLE_NOISE_SEED"] = "66"
    package = checkpoint.import_package()
    base = checkpoint.locate(o.model)
    tokenizer = checkpoint.load_tokenizer(checkpoint.find_tokenizer(base, o.tokenizer))
    prompts = checkpoint.read_prompts(o.prompts, tokenizer)
    if o.batch:
        prompts = [dict(prompts[i % len(prompts)], id=i) for i in range(o.batch)]
    dit, vae = (model.to(o.device) for model in checkpoint.load_models(package, base))
    clock = Clock(dit, wait)
    pad = tokenizer.token_to_id("<|pad|>")
    for run in range(o.runs):
        clock.seconds, clock.calls = 0.0, 0
        begin = time.perf_counter()
        with contract.apply(o.contract, o.device, package), contextlib.redirect_stdout(io.StringIO()):
            package.inference.generate_task_repaint_inference(
                dit=dit, vae=vae, tokenizer=tokenizer, prompts=prompts, task_name="lambada", device=torch.device(o.device),
                T=T, timestep_num=o.steps, guidance_scale=o.guidance, max_new_tokens=o.max_new_tokens, temperature=TEMPERATURE,
                top_k=TOP_K, top_p=TOP_P, repetition_penalty=REPETITION_PENALTY,
                pad_token_id=checkpoint.RELEASED_PAD if pad is None else pad, eos_token_id=None, im_end_token_id=None)
        wait()
        print(f"run {run + 1}: {time.perf_counter() - begin:.2f} s, {clock.seconds:.2f} s of them in {clock.calls} forwards of the DiT", flush=True)


if __name__ == "__main__":
    main()
