"""Generate held-out prompts with the package's own inference (fp32 on the CPU) and score them.

eval.py CKPT --sets heldout seen --guidance 1 3 7 --steps 16 8
"""

import argparse
import collections
import contextlib
import io
import json
import os
import re
import sys
import time

import torch
from tokenizers import Tokenizer

import corpus

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from exporter import checkpoint, contract  # noqa: E402  golden/exporter runs the package in plain float32


def load(ckpt):
    package = checkpoint.import_package()
    dit, vae = checkpoint.load_models(package, ckpt)
    return package, dit, vae, Tokenizer.from_file(os.path.join(ckpt, "tokenizer.json"))


def generate(m, prompts, guidance, steps, max_new, seed=66, batch=30):
    package, dit, vae, tok = m
    run = package.inference.generate_task_repaint_inference
    os.environ["COLA_INFER_PER_SAMPLE_NOISE_SEED"] = str(seed)
    out = []
    for i in range(0, len(prompts), batch):
        with contract.apply("exact", "cpu", package), contextlib.redirect_stdout(io.StringIO()):
            r = run(
                dit=dit,
                vae=vae,
                tokenizer=tok,
                prompts=prompts[i : i + batch],
                task_name="lambada",
                device=torch.device("cpu"),
                timestep_num=steps,
                guidance_scale=guidance,
                max_new_tokens=max_new,
                temperature=0.0,
                pad_token_id=tok.token_to_id("<|pad|>"),
                eos_token_id=tok.token_to_id("<|endoftext|>"),
                im_end_token_id=tok.token_to_id("<|im_end|>"),
            )
        out += [x["generate"].split("<|endoftext|>")[0] for x in r]
    return out


def first(s):
    return re.split(r"\.|Question", s)[0].strip()


def score(m, path, guidance, steps, limit=0):
    P = [json.loads(l) for l in open(path)]
    if limit:
        by = collections.defaultdict(list)
        for e in P:
            by[e["kind"].split("-")[0] if e["kind"].startswith("fact") else e["kind"]].append(e)
        P = [e for v in by.values() for e in v[:limit]]
    qa = [e for e in P if e["kind"] != "story"]
    st = [e for e in P if e["kind"] == "story"]
    res = collections.defaultdict(list)
    log = []
    for e, g in zip(qa, generate(m, qa, guidance, steps, 16)):
        k = "fact" if e["kind"].startswith("fact") else e["kind"]
        res[k].append(first(g) == e["answer"])
        res["answer(all)"].append(first(g) == e["answer"])
        log.append((e["kind"], e["question"], g, first(g) == e["answer"], e["answer"]))
    for e, g in zip(st, generate(m, st, guidance, steps, 64)):
        full = (e["question"] + g).strip()
        body = full.split(" Question:")[0]
        ok = corpus.check_story(body)
        sents = [s.strip() + "." for s in g.split(" Question:")[0].split(".") if s.strip()]
        res["story"].append(ok)
        res["sentence"] += [corpus.check_sentence(s) for s in sents]
        log.append((e["kind"], e["question"], g, ok, e["answer"]))
    return {k: (sum(v), len(v)) for k, v in res.items()}, log


def main():
    p = argparse.ArgumentParser()
    p.add_argument("ckpt")
    p.add_argument("--sets", nargs="+", default=["heldout"])
    p.add_argument("--guidance", nargs="+", type=float, default=[7.0])
    p.add_argument("--steps", nargs="+", type=int, default=[16])
    p.add_argument("--limit", type=int, default=0)
    p.add_argument("--show", type=int, default=10)
    p.add_argument("--log", default=None)
    p.add_argument("--bad", type=int, default=0)
    a = p.parse_args()
    torch.set_num_threads(2)
    m = load(a.ckpt)
    cols = ["fact", "context", "story-question", "answer(all)", "story", "sentence"]
    print("| set | guidance | steps | " + " | ".join(cols) + " |\n|" + "---|" * (3 + len(cols)))
    last = None
    full = []
    for s in a.sets:
        for n in a.steps:
            for g in a.guidance:
                t = time.time()
                r, log = score(m, f"data/{s}.jsonl", g, n, a.limit)
                print(
                    f"| {s} | {g:g} | {n} | "
                    + " | ".join(f"{100 * r[c][0] / r[c][1]:.1f}% ({r[c][0]}/{r[c][1]})" for c in cols)
                    + f" | {time.time() - t:.0f}s",
                    flush=True,
                )
                full.append({"set": s, "guidance": g, "steps": n, "log": log})
                if last is None or (g == 7 and n == 16 and s == "heldout"):
                    last = log
    if a.log:
        json.dump(full, open(a.log, "w"), indent=0)
    qa = [x for x in last if x[0] != "story"]
    st = [x for x in last if x[0] == "story"]
    k = max(1, len(qa) // max(1, a.show // 2 + 1))
    for x in qa[::k][: a.show - a.show // 2] + st[: a.show // 2]:
        print(f"[{x[0]}] {x[1]} >>>{x[2]}   {'OK' if x[3] else 'WRONG, wanted ' + x[4]}")
    for x in [x for x in last if not x[3]][: a.bad]:
        print(f"BAD [{x[0]}] {x[1]} >>>{x[2]}   wanted {x[4]}")


if __name__ == "__main__":
    main()
