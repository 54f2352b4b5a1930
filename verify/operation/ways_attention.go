package operation

import (
	"fmt"
	"strconv"
	"strings"

	"colakit/formats/hf"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// rotaryWays turn queries and keys otherwise.
var rotaryWays = []entry{
	{
		name: "other pairs", topic: Rotary, says: "RoPE pairs channels %s",
		do:   "the prior turns interleaved pairs (2j, 2j+1) of the first rope_dim channels, the VAE halves (j, j + head_dim/2)",
		when: isRotation, joint: true,
		args: func(_ *Call, op *catalog.Op) []string {
			if op.Section == catalog.DiT {
				return []string{"half-split, (j, j + n/2)"}
			}
			return []string{"interleaved, (2j, 2j+1)"}
		},
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.pairs = "other" },
	},
	{
		name: "not rotated", topic: Rotary, says: "it is not rotated at all",
		do: "rotate queries and keys before their product", when: isRotation, joint: true,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.rotation.times = 0 },
	},
	{
		name: "rotated twice", topic: Rotary, says: "it is rotated twice",
		do: "keys stand in the cache before rotation, and are rotated when they are read", when: isRotation,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.rotation.times = 2 },
	},
	{
		name: "rotated backwards", topic: Rotary, says: "it is rotated the other way",
		do: "turn (a, b) into (a·cos − b·sin, b·cos + a·sin)", when: isRotation, joint: true,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.rotation.sign = -1 },
	},
	{
		name: "queries from position 0", topic: Rotary, says: "positions of queries begin at 0, as if nothing were cached",
		do:     "queries are the last of the keys: their positions begin at the number of cached rows",
		when:   func(c *Call, op *catalog.Op) bool { return isQuery(c, op) && cachesRows(c, op) },
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.from = "0" },
	},
	{
		name: "unconditional rows behind the cache", topic: Rotary, says: "the unconditional pass has the conditional one's positions",
		do:   "the unconditional pass sees no cache, and its positions begin at 0",
		when: func(c *Call, op *catalog.Op) bool { return isRotation(c, op) && c.Site.Branch == generate.Uncond }, joint: true,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.from = "cond" },
	},
	{
		name: "position offset", topic: Rotary, says: "every position is off by %s",
		do:   "positions of keys count from 0 in each sample; those of queries are the last of them",
		when: isRotation, args: fixed("1", "-1"),
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) { f.offset, _ = strconv.Atoi(arg) },
	},
	{
		name: "position offset by a block", topic: Rotary, says: "every position is off by %s",
		do:   "positions of queries begin at the number of cached rows",
		when: isRotation,
		args: func(c *Call, _ *catalog.Op) []string {
			bs := c.Run.Config.DiT.BlockSize
			return []string{strconv.Itoa(bs), strconv.Itoa(-bs)}
		},
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) { f.offset, _ = strconv.Atoi(arg) },
	},
	{
		name: "positions restart with every block", topic: Rotary, says: "positions restart with every block",
		do: "positions count on through a sample's blocks", when: isRotation, joint: true,
		change: func(f *form, _ string, c *Call, _ *catalog.Op) { f.restart = c.Run.Config.DiT.BlockSize },
	},
	{
		name: "positions go on over samples", topic: Rotary, says: "positions go on from one sample to the next",
		do:   "positions begin at 0 in every sample",
		when: func(c *Call, op *catalog.Op) bool { return isRotation(c, op) && len(c.Run.Samples) > 1 }, joint: true,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.flowing = true },
	},
	{
		name: "other theta", topic: Rotary, says: "θ is %s",
		do: "take a θ of 10000 for the prior and rope_theta for the VAE", when: isRotation, joint: true, args: thetas,
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) { f.theta, _ = strconv.ParseFloat(arg, 64) },
	},
	{
		name: "all channels rotated", topic: Rotary, says: "all head_dim channels are rotated, not the first rope_dim",
		do:   "the prior rotates the first rope_dim channels of a head; the rest pass through",
		when: isPartial, joint: true,
		change: func(f *form, _ string, c *Call, _ *catalog.Op) { f.channels = c.Run.Config.DiT.HeadDim },
	},
	{
		name: "frequencies of the whole head", topic: Rotary, says: "frequencies are θ^(−2j/head_dim), not θ^(−2j/rope_dim)",
		do:   "the prior's frequencies divide by rope_dim",
		when: isPartial, joint: true,
		change: func(f *form, _ string, c *Call, _ *catalog.Op) { f.rotation.dim = c.Run.Config.DiT.HeadDim },
	},
	{
		name: "stored frequencies ignored", topic: Rotary, says: "frequencies are computed, where the model stores others",
		do: "use the stored buffer where there is one",
		when: func(c *Call, op *catalog.Op) bool {
			return isRotation(c, op) && op.Section == catalog.DiT && c.has(hf.DiTBlockModules(op.Layer).RopeFreqs)
		}, joint: true,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.theta = hf.DiTRopeTheta },
	},
	{
		name: "rotation of the other precision", topic: Rotary, says: "rope_full_precision has its other value",
		do: "mind rope_full_precision; true: rotate in float32 and round once; false: sines, cosines, products and sums are bfloat16",
		when: func(c *Call, op *catalog.Op) bool {
			return isRotation(c, op) && op.Section != catalog.DiT && c.Run.Contract == generate.Released
		}, joint: true,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.coarse = true },
	},
}

func isRotation(_ *Call, op *catalog.Op) bool { return op.Kind == catalog.Rotation }

func isQuery(_ *Call, op *catalog.Op) bool { return strings.HasSuffix(op.Name, ".q_rot") }

func isPartial(c *Call, op *catalog.Op) bool {
	cfg := c.Run.Config.DiT
	return isRotation(c, op) && op.Section == catalog.DiT && cfg.RopeDim < cfg.HeadDim
}

func thetas(c *Call, op *catalog.Op) []string {
	own := c.Run.Config.VAE.RopeTheta
	if op.Section == catalog.DiT {
		own = hf.DiTRopeTheta
	}
	var others []string
	for _, theta := range []float64{hf.DiTRopeTheta, c.Run.Config.VAE.RopeTheta, 500000} {
		text := strconv.FormatFloat(theta, 'f', -1, 64)
		if theta != own && !strings.Contains(strings.Join(others, " "), text) {
			others = append(others, text)
		}
	}
	return others
}

// cachesRows reports whether the pass finds rows in the cache.
func cachesRows(c *Call, op *catalog.Op) bool {
	g := c.Run.geometry(c.Site, op.Section)
	return g.keys > g.rows
}

// attentionWays mask, scale and mix otherwise.
var attentionWays = []entry{
	{
		name: "another mask", topic: Visibility, says: "%s",
		do:   "a query sees the keys of its sample in its own block and in those before it, both ways within a block",
		when: isAttending, joint: true,
		args: fixed("it is causal row by row", "there is no mask", "each block sees itself alone", "a block less is seen", "a block more is seen"),
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) {
			switch arg {
			case "it is causal row by row":
				f.mask = "causal"
			case "there is no mask":
				f.mask = "none"
			case "each block sees itself alone":
				f.mask = "alone"
			case "a block less is seen":
				f.blocks = -1
			default:
				f.blocks = 1
			}
		},
	},
	{
		name: "blocks of another size", topic: Visibility, says: "the mask has blocks of %s",
		do:   "each model's mask has its own block_size",
		when: isAttending, joint: true,
		args: func(c *Call, op *catalog.Op) []string {
			own, sizes := c.Run.geometry(c.Site, op.Section).block, []string(nil)
			for _, size := range []int{c.Run.Config.DiT.BlockSize, c.Run.Config.VAE.BlockSize, 1} {
				if size != own && own > 0 {
					sizes = append(sizes, strconv.Itoa(size))
				}
			}
			return sizes
		},
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) { f.size, _ = strconv.Atoi(arg) },
	},
	{
		name: "scores not scaled", topic: Formula, says: "scores are not divided by √head_dim",
		do: "multiply the queries by 1/√head_dim", when: isScores,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.power = 0 },
	},
	{
		name: "scores scaled twice", topic: Formula, says: "scores are divided by head_dim, not by its root",
		do: "multiply the queries by 1/√head_dim, once", when: isScores,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.power = 1 },
	},
	{
		name: "scores scaled by another width", topic: Formula, says: "scores are divided by √%s",
		do: "the scale is 1/√head_dim of the model's own head_dim", when: isScores,
		args: func(c *Call, op *catalog.Op) []string {
			d, v := c.Run.Config.DiT, c.Run.Config.VAE
			own := d.HeadDim
			if op.Section != catalog.DiT {
				own = v.HeadDim()
			}
			var widths []string
			for _, w := range []int{d.HeadDim, v.HeadDim(), d.RopeDim, d.TxtDim, v.Dim} {
				if text := fmt.Sprint(w); w != own && !strings.Contains(" "+strings.Join(widths, " ")+" ", " "+text+" ") {
					widths = append(widths, text)
				}
			}
			return widths
		},
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) { f.divisor, _ = strconv.ParseFloat(arg, 64) },
	},
	{
		name: "scale after the product", topic: Contract, says: "the scores are scaled after they are rounded, not the queries before",
		do:     "the query is scaled, and rounded to bfloat16, before the product",
		when:   func(c *Call, op *catalog.Op) bool { return isScores(c, op) && c.Run.Contract == generate.Released },
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.attending.late = true },
	},
	{
		name: "heads alternate", topic: Mapping, says: "channel c belongs to head c mod heads",
		do:   "a head's channels are consecutive: c / head_dim is the head",
		when: isAttending, joint: true,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.attending.alternate = true },
	},
	{
		name: "forbidden scores count as 0", topic: Visibility, says: "forbidden keys take part with a score of 0",
		do:     "the mask adds −∞, so that forbidden keys have no weight",
		when:   func(_ *Call, op *catalog.Op) bool { return op.Kind == catalog.Attention },
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.leak = true },
	},
}

func isScores(_ *Call, op *catalog.Op) bool { return strings.HasSuffix(op.Name, ".scores") }

func isAttending(c *Call, op *catalog.Op) bool {
	return isScores(c, op) || op.Kind == catalog.Attention
}

// cacheWays read other rows from the cache.
var cacheWays = []entry{
	{
		name: "cache offset", topic: CacheUse, says: "cached rows are read off by %s",
		do:   "a sample's cache holds the rows of its prefix, then those of its blocks, none twice and none left out",
		when: readsCache, joint: true,
		args: func(c *Call, _ *catalog.Op) []string {
			bs := strconv.Itoa(c.Run.Config.DiT.BlockSize)
			return []string{"1", "-1", bs, "-" + bs}
		},
		change: func(f *form, arg string, _ *Call, _ *catalog.Op) { f.caching.late, _ = strconv.Atoi(arg) },
	},
	{
		name: "empty cache", topic: CacheUse, says: "cached rows are zeros",
		do: "append a pass's keys and values to the cache, before they are rotated", when: readsCache, joint: true,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.empty = true },
	},
	{
		name: "cache of another sample", topic: CacheUse, says: "it reads the next sample's cached rows",
		do:   "every sample has its own cache",
		when: func(c *Call, op *catalog.Op) bool { return readsCache(c, op) && len(c.Run.Samples) > 1 }, joint: true,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.other = true },
	},
	{
		name: "the prefix for later blocks", topic: CacheUse, says: "the prefix's rows stand where those of earlier blocks belong",
		do:   "commit every block: its rows follow the prefix's in the cache",
		when: func(c *Call, op *catalog.Op) bool { return readsCache(c, op) && c.Site.Block > 0 }, joint: true,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.stale = true },
	},
	{
		name: "earlier blocks missing", topic: CacheUse, says: "earlier blocks are missing from the cache",
		do: "commit every finished block: a pass at t = 0 for the prior, the decoding itself for the decoder",
		when: func(c *Call, op *catalog.Op) bool {
			return c.Site.Block > 0 && cachesRows(c, op) && (isRotation(c, op) || isAttending(c, op))
		}, joint: true,
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.uncommitted = true },
	},
	{
		name: "cached keys not normalised", topic: CacheUse, says: "keys from the cache are not normalised",
		do: "the VAE caches keys before their norm, and normalises all of them in every pass",
		when: func(c *Call, op *catalog.Op) bool {
			return op.Name == "attn.k" && readsCache(c, op) && c.Run.Config.VAE.QKNorm
		},
		change: func(f *form, _ string, _ *Call, _ *catalog.Op) { f.fresh = true },
	},
}

func readsCache(c *Call, op *catalog.Op) bool {
	_, reads := cachedOf[op.Name]
	return reads && op.Section != catalog.Encoder && cachesRows(c, op)
}
