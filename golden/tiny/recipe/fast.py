"""Batched (B, L) training forwards over the package's own modules: same parameters, same mathematics.

The package runs one flattened NA sequence with an (L_total x L_total) mask; for many short documents on a CPU that is
mostly masked work.  Here documents of equal length form a dense batch.  `python fast.py` checks these functions against
the package's encode/decode/forward (with create_2l_block_causal_mask).
"""

import math

import torch
import torch.nn.functional as F


def rope_half(x, cos, sin):  # VAE: halves
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


def vae_rope(n, dh, theta):
    inv = 1.0 / theta ** (torch.arange(0, dh, 2).float() / dh)
    f = torch.arange(n).float()[:, None] * inv
    f = torch.cat((f, f), -1)
    return f.cos(), f.sin()


def block_bias(L, bs):
    b = torch.arange(L) // bs
    return torch.zeros(L, L).masked_fill_(b[:, None] < b[None, :], -1e9)


def two_l_bias(L, bs):
    """[clean | other]: clean block-causal over clean; other sees clean blocks < its own and its own block of `other`."""
    b = torch.arange(L) // bs
    q, k = b[:, None], b[None, :]
    m = torch.zeros(2 * L, 2 * L, dtype=torch.bool)
    m[:L, :L] = q >= k
    m[L:, :L] = q > k
    m[L:, L:] = q == k
    return torch.zeros(2 * L, 2 * L).masked_fill_(~m, -1e9)


def vae_block(blk, x, bias, cos, sin):
    B, S, d = x.shape
    h = x if blk.post_norm else blk.norm_attn(x)
    q, k, v = blk.qkv_proj(h).split(blk.fused_dims, -1)
    if blk.q_norm is not None:
        q, k = blk.q_norm(q), blk.k_norm(k)
    q, k, v = (t.view(B, S, blk.num_heads, -1).transpose(1, 2) for t in (q, k, v))
    q, k = rope_half(q, cos, sin), rope_half(k, cos, sin)
    a = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    a = blk.attn_out_proj(a.transpose(1, 2).reshape(B, S, d))
    if blk.post_norm:
        x = blk.norm_attn(x)
    x = x + a
    f = blk.ffn_out(blk.ffn_act(blk.ffn_proj(x if blk.post_norm else blk.norm_ffn(x))))
    return x + (blk.norm_ffn(f) if blk.post_norm else f)


def vae_encode2(vae, ids, pad_ids):
    """ids, pad_ids (B, L) -> mean and logvar of both copies; the padded copy of block b sees the clean blocks before it."""
    L = ids.shape[1]
    c = vae.config
    cos, sin = vae_rope(L, c.dim // c.num_heads, c.rope_theta)
    cos, sin = cos.repeat(2, 1), sin.repeat(2, 1)
    x = vae.encoder.wte(torch.cat([ids, pad_ids], 1))
    x = F.linear(x, vae.encoder.patch_embedder.weight[:, :, 0], vae.encoder.patch_embedder.bias)
    bias = two_l_bias(L, vae.block_size)
    for blk in vae.encoder.blocks:
        x = vae_block(blk, x, bias, cos, sin)
    mean, logvar = vae.encoder.final_layer(x).chunk(2, -1)
    if c.encoder_last_ln:
        mean = vae.encoder.final_norm(mean)
    logvar = logvar.clamp(-30, 20)
    return mean[:, :L], logvar[:, :L], mean[:, L:], logvar[:, L:]


def vae_decode(vae, z):
    L = z.shape[1]
    c = vae.config
    cos, sin = vae_rope(L, c.dim // c.num_heads, c.rope_theta)
    x = vae.decoder.in_layer(z)
    bias = block_bias(L, vae.block_size)
    for blk in vae.decoder.blocks:
        x = vae_block(blk, x, bias, cos, sin)
    x = vae.decoder.unpatch_layer(x)
    return vae.decoder.final_layer(vae.decoder.final_norm(x))


def dit_cos_sin(rope_dim, pos):
    inv = 1.0 / (10000 ** (torch.arange(0, rope_dim, 2).float() / rope_dim))
    f = (pos.float()[..., None] * inv).repeat_interleave(2, -1)
    return f.cos(), f.sin()


def rope_pairs(x, cos, sin):  # DiT: interleaved pairs, first rope_dim channels of a head
    r = cos.shape[-1]
    y = x[..., :r]
    p = y.unflatten(-1, (-1, 2))
    rot = torch.stack((-p[..., 1], p[..., 0]), -1).flatten(-2)
    return torch.cat((y * cos + rot * sin, x[..., r:]), -1)


def temb(dit, t):
    half = 128
    w = torch.exp(-math.log(10000) * torch.arange(half).float() / half)
    e = t[:, None] * w
    e = torch.cat([e.sin(), e.cos()], -1)
    m = dit.emb_in
    return m.proj_out(m.act(m.proj_hid(m.act(m.proj_in(e)))))


def dit_train(dit, clean, noisy, t, pin, cbias, pos):
    """clean (B,L,c) at t=0; noisy (B,N,c), N=K*L; t (B,N/bs) in 0..T; pin (B,N/bs,bs) bool: positions held at t=0;
    cbias (B,1,N,L): noisy query -> clean key; pos (B,N) rotary positions of the noisy tokens.  -> velocity (B,N,c)"""
    B, L, _ = clean.shape
    N = noisy.shape[1]
    c = dit.config
    bs, H, dh = c.block_size, c.heads, c.head_dim
    nb = N // bs
    x = dit.txt_in.proj(torch.cat([clean, noisy], 1))
    e = F.silu(temb(dit, torch.cat([t.new_zeros(1), t.reshape(-1)])))
    posc = torch.arange(L)
    cc, sc = dit_cos_sin(c.rope_dim, posc)
    cn, sn = dit_cos_sin(c.rope_dim, pos)
    cos = torch.cat([cc.expand(B, L, -1), cn], 1)[:, None]
    sin = torch.cat([sc.expand(B, L, -1), sn], 1)[:, None]
    self_bias = block_bias(L, bs)
    pin4 = pin[..., None]

    def mod(lin):
        m = lin[1](e)
        m0, mt = m[:1], m[1:].view(B, nb, 1, -1)
        mn = torch.where(pin4, m0, mt)
        return torch.cat([m0.expand(B, L, -1), mn.reshape(B, N, -1)], 1)

    for blk in dit.blocks:
        a = blk.ada
        sh, sc_ = mod(a.msa_in).chunk(2, -1)
        h = blk.msa_norm(x) * (1 + sc_) + sh
        q, k, v = blk.msa.proj_qkv(h).view(B, L + N, 3, H, dh).unbind(2)
        q = rope_pairs(blk.msa.norm_q(q).transpose(1, 2), cos, sin)
        k = rope_pairs(blk.msa.norm_k(k).transpose(1, 2), cos, sin)
        v = v.transpose(1, 2)
        kc, vc = k[:, :, :L], v[:, :, :L]
        oc = F.scaled_dot_product_attention(q[:, :, :L], kc, vc, attn_mask=self_bias)
        qn, kn, vn = q[:, :, L:], k[:, :, L:], v[:, :, L:]
        s = dh**-0.5
        s1 = (qn * s) @ kc.transpose(-1, -2) + cbias
        s2 = (qn * s).reshape(B, H, nb, bs, dh) @ kn.reshape(B, H, nb, bs, dh).transpose(-1, -2)
        w = torch.cat([s1, s2.view(B, H, N, bs)], -1).softmax(-1)
        on = w[..., :L] @ vc + (w[..., L:].reshape(B, H, nb, bs, bs) @ vn.reshape(B, H, nb, bs, dh)).view(B, H, N, dh)
        o = torch.cat([oc, on], 2).transpose(1, 2).reshape(B, L + N, H * dh)
        x = blk.msa.proj_out(o) * mod(a.msa_out) + x
        sh, sc_ = mod(a.mlp_in).chunk(2, -1)
        h = blk.mlp_norm(x) * (1 + sc_) + sh
        x = blk.mlp(h) * mod(a.mlp_out) + x
    x = x[:, L:]
    m = dit.txt_out_ada.out_in[1](e)
    mn = torch.where(pin4, m[:1], m[1:].view(B, nb, 1, -1)).reshape(B, N, -1)
    sh, sc_ = mn.chunk(2, -1)
    return dit.txt_out.proj(dit.txt_out_norm(x) * (1 + sc_) + sh)


def check():
    from cola_dlm import ColaDiTConfig, ColaDiTModel, ColaTextVAEConfig, ColaTextVAEModel
    from cola_dlm.attention_utils import create_2l_block_causal_mask

    torch.manual_seed(0)
    vae = ColaTextVAEModel(
        ColaTextVAEConfig(
            vocab_size=50, encoder_num_blocks=2, decoder_num_blocks=2, dim=32, ffn_dim=64, latent_dim=8, num_heads=4
        )
    )
    dit = ColaDiTModel(
        ColaDiTConfig(
            txt_in_channels=8,
            txt_out_channels=8,
            txt_dim=32,
            emb_dim=32,
            heads=4,
            head_dim=8,
            expand_ratio=2,
            num_layers=3,
            rope_dim=6,
        )
    )
    for m in (vae, dit):
        for p in m.parameters():
            p.data.normal_(0, 0.15)
        m.eval()
    B, L, bs = 3, 12, 4
    ids = torch.randint(0, 50, (B, L))
    with torch.no_grad():
        pad = ids.clone()
        pad[:, 9:] = 49
        m, lv, mp, _ = vae_encode2(vae, ids, pad)
        enc = vae.encode(list(ids))
        encp = vae.encode(list(pad))
        print(
            "encode",
            (torch.stack(enc.latents_list) - m).abs().max().item(),
            "padded last block",
            (torch.stack(encp.latents_list)[:, 8:] - mp[:, 8:]).abs().max().item(),
        )
        sh = torch.full((B, 1), L)
        with torch.autocast("cpu", enabled=False):
            y = vae.decode(torch.cat(list(m)), sh, sh).view(B, L, -1)
        print("decode", (y - vae_decode(vae, m)).abs().max().item())
        z = torch.randn(B, L, 8)
        zn = torch.randn(B, L, 8)
        t = torch.rand(B, 3) * 1000
        pin = torch.zeros(B, 3, 4, dtype=torch.bool)
        pin[0, 1, :2] = True
        b = torch.arange(L) // bs
        cb = torch.zeros(L, L).masked_fill_(b[:, None] <= b[None, :], -1e9).expand(B, 1, L, L)
        pos = torch.arange(L).expand(B, L)
        v = dit_train(dit, z, zn, t, pin, cb, pos)
        tt = torch.where(pin, torch.zeros(()), t[..., None]).reshape(B, L)
        ext = torch.cat([torch.cat([z[i], zn[i]]) for i in range(B)])
        ts = torch.cat([torch.cat([torch.zeros(L), tt[i]]) for i in range(B)])
        p2 = torch.cat([pos[i].repeat(2) for i in range(B)])
        s2 = torch.full((B, 1), 2 * L)
        mask = create_2l_block_causal_mask(s2, s2, [L] * B, bs, torch.float32, "cpu")
        import cola_dlm.modeling_cola_dit as D

        D.set_attn_backend("sdpa")  # naive's slow_attn autocasts to bf16
        ref = dit(
            txt=ext,
            txt_shape=s2,
            txt_q_shape=s2,
            timestep=ts,
            k_position_ids=p2,
            q_position_ids=p2,
            attn_mask_override=mask,
        ).txt_sample
        ref = ref.view(B, 2 * L, -1)[:, L:]
        print("2L dit", (ref - v).abs().max().item(), "scale", ref.abs().mean().item())
        # package, incremental, one block with KV cache, fresh model (its rotary embedding caches positions of the first call)
        dit2 = ColaDiTModel(dit.config)
        dit2.load_state_dict(dit.state_dict())
        dit2.eval()
        s1 = torch.full((B, 1), 8)
        q1 = torch.full((B, 1), 4)
        s3 = torch.full((B, 1), 12)
        dit2(
            txt=torch.cat([z[i, :8] for i in range(B)]),
            txt_shape=s1,
            txt_q_shape=s1,
            timestep=torch.zeros(24),
            update_kv=True,
            use_kv_cache=True,
        )
        r = dit2(
            txt=torch.cat([zn[i, 8:] for i in range(B)]),
            txt_shape=s3,
            txt_q_shape=q1,
            timestep=tt[:, 8:].reshape(-1),
            use_kv_cache=True,
        ).txt_sample
        print("incremental dit", (r.view(B, 4, -1) - v[:, 8:]).abs().max().item())


if __name__ == "__main__":
    check()
