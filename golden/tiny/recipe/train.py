"""Train the tiny Cola DLM: `train.py vae`, then `train.py dit`; writes RUN/cola_vae, RUN/cola_dit, RUN/tokenizer.json."""

import argparse
import json
import math
import os
import shutil
import time

import torch
import torch.nn.functional as F
from cola_dlm import ColaDiTConfig, ColaDiTModel, ColaTextVAEConfig, ColaTextVAEModel
from tokenizers import Tokenizer

import fast

p = argparse.ArgumentParser()
p.add_argument("stage", choices=["vae", "dit"])
p.add_argument("--run", default="checkpoint")
p.add_argument("--vae-from", default=None)
p.add_argument("--steps", type=int, default=1000)
p.add_argument("--seed", type=int, default=0)
p.add_argument("--tokens", type=int, default=2048, help="latents a step (documents of one length bucket)")
p.add_argument("--lr", type=float, default=2e-3)
p.add_argument("--wd", type=float, default=0.01)
p.add_argument("--opt", default="adamw")
p.add_argument("--warmup", type=int, default=200)
# VAE
p.add_argument("--vdim", type=int, default=64)
p.add_argument("--vffn", type=int, default=256)
p.add_argument("--vheads", type=int, default=2)
p.add_argument("--latent", type=int, default=16)
p.add_argument("--znoise", type=float, default=0.6)
p.add_argument("--kl", type=float, default=1e-3)
p.add_argument("--cons", type=float, default=0.5)
# DiT
p.add_argument("--dim", type=int, default=128)
p.add_argument("--layers", type=int, default=4)
p.add_argument("--heads", type=int, default=4)
p.add_argument("--head-dim", type=int, default=32)
p.add_argument("--expand", type=int, default=3)
p.add_argument("--rope-dim", type=int, default=24)
p.add_argument("--copies", type=int, default=2)
p.add_argument("--drop", type=float, default=0.12)
p.add_argument("--repaint", type=float, default=0.35)
p.add_argument("--ctx-noise", type=float, default=0.15)
p.add_argument("--loc", type=float, default=0.8)
p.add_argument("--scale", type=float, default=1.2)
p.add_argument("--ema", type=float, default=0.999)
p.add_argument("--compile", action="store_true")
p.add_argument("--log", type=int, default=50)
p.add_argument("--snap", type=int, default=0)
p.add_argument("--init-from", default=None)
a = p.parse_args()

torch.set_num_threads(int(os.environ.get("THREADS", "2")))
torch.manual_seed(a.seed)
torch.use_deterministic_algorithms(True)
BS = 4
tok = Tokenizer.from_file("data/tokenizer.json")
EOS, PAD, V = tok.token_to_id("<|endoftext|>"), tok.token_to_id("<|pad|>"), tok.get_vocab_size()


def load():
    buckets = {}
    for e in tok.encode_batch(open("data/train.txt").read().splitlines()):
        n = (len(e.ids) + 1 + BS - 1) // BS * BS + BS  # text, one end token, fill, one more block of end tokens
        L = (n + 7) // 8 * 8
        buckets.setdefault(L, []).append((e.ids + [EOS] * (L - len(e.ids)), n))
    return {
        L: (torch.tensor([r[0] for r in rows]), torch.tensor([r[1] for r in rows]))
        for L, rows in sorted(buckets.items())
    }


data = load()
sizes = {L: len(d[0]) for L, d in data.items()}
weights = torch.tensor([float(sizes[L] * L) for L in data])  # a batch has a fixed number of latents
print("buckets", sizes, flush=True)
gen = torch.Generator().manual_seed(a.seed + 1)


def batch():
    L = list(data)[torch.multinomial(weights, 1, generator=gen).item()]
    ids, n = data[L]
    i = torch.randint(len(ids), (max(1, a.tokens // L),), generator=gen)
    ids, n = ids[i], n[i]
    split = torch.randint(1, BS, (ids.shape[0], L // BS, 1), generator=gen)
    front = torch.arange(BS).expand(ids.shape[0], L // BS, BS) < split  # the part of each block a prompt may cover
    pad_ids = torch.where(front.reshape(ids.shape), ids, torch.full_like(ids, PAD))
    valid = torch.arange(L) < n[:, None]
    return ids, pad_ids, front, valid


def lr_at(s):
    if s < a.warmup:
        return (s + 1) / a.warmup
    x = (s - a.warmup) / max(1, a.steps - a.warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * x))


def optimisers(model):
    mats = [q for n, q in model.named_parameters() if q.ndim == 2 and ("blocks" in n) and ".ada." not in n]
    ids = {id(q) for q in mats}
    rest = [q for q in model.parameters() if id(q) not in ids]
    if a.opt == "muon":
        return [
            torch.optim.Muon(mats, lr=a.lr, weight_decay=a.wd, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(rest, lr=a.lr, betas=(0.9, 0.98), weight_decay=0.0),
        ]
    return [
        torch.optim.AdamW(
            [{"params": mats, "weight_decay": a.wd}, {"params": rest, "weight_decay": 0.0}], lr=a.lr, betas=(0.9, 0.98)
        )
    ]


def run(model, loss_fn, name):
    opts = optimisers(model)
    params = [q for q in model.parameters() if q.requires_grad]
    ema = [q.detach().clone() for q in params]
    t0, acc, nacc = time.time(), {}, 0
    for s in range(a.steps):
        f = lr_at(s)
        for o in opts:
            for g in o.param_groups:
                g["lr"] = a.lr * f
        loss, info = loss_fn(s)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        for o in opts:
            o.step()
            o.zero_grad(set_to_none=True)
        d = min(a.ema, (1 + s) / (10 + s))
        torch._foreach_lerp_(ema, [q.detach() for q in params], 1 - d)
        for k, v in info.items():
            acc[k] = acc.get(k, 0.0) + float(v.detach())
        nacc += 1
        if (s + 1) % a.log == 0 or s + 1 == a.steps:
            print(
                f"{name} {s + 1} "
                + " ".join(f"{k} {v / nacc:.4f}" for k, v in acc.items())
                + f" lr {a.lr * f:.2e} {time.time() - t0:.0f}s",
                flush=True,
            )
            acc, nacc = {}, 0
        if a.snap and (s + 1) % a.snap == 0 and s + 1 < a.steps:
            with torch.no_grad():
                keep = [q.detach().clone() for q in params]
                for q, e in zip(params, ema):
                    q.copy_(e)
                model.save_pretrained(os.path.join(a.run, "snap", "cola_" + name))
                for q, e in zip(params, keep):
                    q.copy_(e)
    with torch.no_grad():
        for q, e in zip(params, ema):
            q.copy_(e)
    return time.time() - t0


def masked(x, m):
    return (x * m).sum() / m.sum()


def train_vae():
    cfg = ColaTextVAEConfig(
        vocab_size=V,
        encoder_num_blocks=2,
        decoder_num_blocks=2,
        dim=a.vdim,
        ffn_dim=a.vffn,
        latent_dim=a.latent,
        num_heads=a.vheads,
        block_size=BS,
        patch_size=1,
        rope_theta=10000,
        pad_token_id=PAD,
        eos_token_id=EOS,
    )
    vae = ColaTextVAEModel(cfg)
    for n, q in vae.named_parameters():  # std 0.02 is meant for a wide model
        if q.ndim >= 2:
            q.data.normal_(0, 1.0 / math.sqrt(q[0].numel()))
        elif n.endswith("bias"):
            q.data.zero_()
    vae.encoder.wte.weight.data.normal_(0, 1.0)
    vae.encoder.final_layer.bias.data[a.latent :] = -3.0
    vae.decoder.final_layer.weight.data.mul_(0.5)
    print("vae parameters", sum(q.numel() for q in vae.parameters()), flush=True)

    def loss_fn(s):
        ids, pad_ids, front, valid = batch()
        m, lv, mp, lvp = fast.vae_encode2(vae, ids, pad_ids)
        front = front.reshape(ids.shape)
        mix = (torch.rand(ids.shape[0], ids.shape[1] // BS, 1, generator=gen) < 0.3).expand(-1, -1, BS).reshape(
            ids.shape
        ) & front
        mean, logv = torch.where(mix[..., None], mp, m), torch.where(mix[..., None], lvp, lv)
        sigma = torch.rand(ids.shape[0], 1, 1, generator=gen) * a.znoise
        z = (
            mean
            + (0.5 * logv).exp() * torch.randn(mean.shape, generator=gen)
            + sigma * torch.randn(mean.shape, generator=gen)
        )
        logits = fast.vae_decode(vae, z)
        ce = F.cross_entropy(logits.transpose(1, 2), ids, reduction="none")
        rec = masked(ce, valid)
        kl = masked(0.5 * (mean.square() + logv.exp() - 1 - logv).mean(-1), valid)
        cons = masked((m - mp).square().mean(-1), valid & front)  # a prompt's latents should not care that pad follows
        acc = masked((logits.argmax(-1) == ids).float(), valid)
        return rec + a.kl * kl + a.cons * cons, {
            "rec": rec,
            "acc": acc,
            "kl": kl,
            "cons": cons,
            "logvar": masked(lv.mean(-1), valid),
        }

    secs = run(vae, loss_fn, "vae")
    vae.eval()
    with torch.no_grad():
        acc0 = acc3 = n = 0
        zs = []
        for _ in range(20):
            ids, pad_ids, front, valid = batch()
            m, _, mp, _ = fast.vae_encode2(vae, ids, pad_ids)
            zs.append(m[valid])
            acc0 += ((fast.vae_decode(vae, m).argmax(-1) == ids) & valid).sum().item()
            acc3 += (
                ((fast.vae_decode(vae, m + 0.5 * torch.randn(m.shape, generator=gen)).argmax(-1) == ids) & valid)
                .sum()
                .item()
            )
            n += valid.sum().item()
        z = torch.cat(zs)
    shift, scale = z.mean().item(), 1.0 / z.std().item()
    shift = 0.0 if abs(shift) < 1e-4 else round(shift, 6)
    vae.config.shifting_factor, vae.config.scaling_factor = shift, round(scale, 6)
    print(
        f"vae done {secs:.0f}s  token accuracy clean {acc0 / n:.5f}, noise 0.5 {acc3 / n:.5f}; latent mean {z.mean():.5f} std {z.std():.5f} -> shift {shift} scale {scale:.6f}",
        flush=True,
    )
    vae.save_pretrained(os.path.join(a.run, "cola_vae"))
    shutil.copy("data/tokenizer.json", os.path.join(a.run, "tokenizer.json"))


def train_dit():
    vae = ColaTextVAEModel.from_pretrained(os.path.join(a.vae_from or a.run, "cola_vae")).eval()
    for q in vae.parameters():
        q.requires_grad_(False)
    scale, shift = vae.config.scaling_factor, vae.config.shifting_factor
    C = vae.config.latent_dim
    cfg = ColaDiTConfig(
        txt_in_channels=C,
        txt_out_channels=C,
        txt_dim=a.dim,
        emb_dim=a.dim,
        heads=a.heads,
        head_dim=a.head_dim,
        expand_ratio=a.expand,
        num_layers=a.layers,
        rope_dim=a.rope_dim,
        block_size=BS,
        patch_size=1,
    )
    dit = ColaDiTModel(cfg)
    # The package's own from-scratch run leaves every Linear at xavier (initialize_weights is never called); here AdaLN
    # starts as a plain pre-norm transformer: shift = scale = 0, gates = 1, velocity = 0.
    for n, q in dit.named_parameters():
        if ".ada." in n or "txt_out_ada" in n or n.startswith("txt_out.proj"):
            q.data.zero_()
        elif "emb_in" in n and n.endswith("weight"):
            q.data.normal_(0, 0.02 if "proj_in" in n else 1 / math.sqrt(a.dim))
        elif ("proj_out.weight" in n) and "blocks" in n:
            q.data.mul_(1 / math.sqrt(2 * a.layers))
    for b in dit.blocks:
        b.ada.msa_out[1].bias.data.fill_(1.0)
        b.ada.mlp_out[1].bias.data.fill_(1.0)
    if a.init_from:
        dit.load_state_dict(ColaDiTModel.from_pretrained(os.path.join(a.init_from, "cola_dit")).state_dict())
    n1, n2 = sum(q.numel() for q in dit.parameters()), sum(q.numel() for q in vae.parameters())
    print("dit parameters", n1, "vae", n2, "total", n1 + n2, "bytes", 4 * (n1 + n2), flush=True)
    fwd = torch.compile(fast.dit_train, dynamic=False) if a.compile else fast.dit_train
    K = a.copies
    rand = lambda *s: torch.rand(*s, generator=gen)
    randn = lambda s: torch.randn(s, generator=gen)

    def loss_fn(s):
        ids, pad_ids, front, valid = batch()
        with torch.no_grad():
            m, _, mp, _ = fast.vae_encode2(vae, ids, pad_ids)
            z, zp = (m - shift) * scale, (mp - shift) * scale
            B, L, _ = z.shape
            nb = L // BS
            f = front[..., None]
            zb, zpb = z.view(B, nb, BS, C), zp.view(B, nb, BS, C)
            mixed = torch.where(f, zpb, zb)
            clean = torch.where(rand(B, nb, 1, 1) < 0.1, mixed, zb).reshape(B, L, C)
            clean = clean + a.ctx_noise * rand(B, 1, 1) * randn(clean.shape)
            # noisy copies: every block has its own time, its own "prompt ends here" and its own condition dropout
            t = torch.sigmoid(a.loc + a.scale * randn((B, K, nb)))
            t = torch.where(rand(B, K, nb) < 0.25, rand(B, K, nb), t)
            z0 = zb[:, None].expand(B, K, nb, BS, C)
            z1 = randn(z0.shape)
            tt = t[..., None, None]
            pin = (rand(B, K, nb, 1) < a.repaint) & front[:, None]
            zn = torch.where(pin[..., None], zpb[:, None], (1 - tt) * z0 + tt * z1)
            v = z1 - z0
            drop = rand(B, K, nb) < a.drop
            q = torch.arange(nb)
            see = (q[:, None] > q[None, :]) & ~drop[..., None]  # (B,K,nb_q,nb_k)
            cb = torch.where(see, 0.0, -1e9).repeat_interleave(BS, 2).repeat_interleave(BS, 3).reshape(B, 1, K * L, L)
            pos = torch.arange(L).view(1, 1, nb, BS) - torch.where(drop, q * BS, 0)[..., None]
            w = (valid.view(B, 1, nb, BS) & ~pin).float()
        pred = fwd(
            dit,
            clean,
            zn.reshape(B, K * L, C),
            t.reshape(B, K * nb) * 1000.0,
            pin.reshape(B, K * nb, BS),
            cb,
            pos.reshape(B, K * L),
        )
        e = (pred.view(B, K, nb, BS, C) - v).square().mean(-1)
        loss = (e * w).sum() / w.sum()
        with torch.no_grad():
            wc, wu = w * ~drop[..., None], w * drop[..., None]
            hi = (t > 0.7)[..., None].float()
            info = {
                "loss": loss,
                "cond": (e * wc).sum() / wc.sum(),
                "uncond": (e * wu).sum() / wu.sum().clamp(min=1),
                "cond_t>.7": (e * wc * hi).sum() / (wc * hi).sum().clamp(min=1),
            }
        return loss, info

    secs = run(dit, loss_fn, "dit")
    dit.save_pretrained(os.path.join(a.run, "cola_dit"))
    vae.save_pretrained(os.path.join(a.run, "cola_vae"))
    shutil.copy("data/tokenizer.json", os.path.join(a.run, "tokenizer.json"))
    json.dump(
        {
            "timestep_num": 16,
            "guidance_scale": 7.0,
            "max_new_tokens": 48,
            "temperature": 0.0,
            "repetition_penalty": 1.1,
            "block_size": BS,
            "pad_token_id": PAD,
            "eos_token_id": EOS,
            "im_end_token_id": tok.token_to_id("<|im_end|>"),
            "noise_seed": 66,
            "task_name": "lambada",
        },
        open(os.path.join(a.run, "generation.json"), "w"),
        indent=1,
    )
    json.dump(
        {"args": vars(a), "seconds": round(secs), "torch": torch.__version__},
        open(os.path.join(a.run, "train_dit.json"), "w"),
        indent=1,
    )
    print(f"dit done {secs:.0f}s", flush=True)


os.makedirs(a.run, exist_ok=True)
{"vae": train_vae, "dit": train_dit}[a.stage]()
