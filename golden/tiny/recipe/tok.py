"""Train the byte-level BPE tokenizer on data/train.txt -> data/tokenizer.json (cl100k-style Split + ByteLevel)."""

import json
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

vocab = int(sys.argv[1]) if len(sys.argv) > 1 else 640
PAT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
t = Tokenizer(models.BPE())
t.pre_tokenizer = pre_tokenizers.Sequence(
    [pre_tokenizers.Split(Regex(PAT), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
)
t.decoder = decoders.ByteLevel()
docs = open("data/train.txt").read().splitlines()
t.train_from_iterator(
    docs,
    trainers.BpeTrainer(
        vocab_size=vocab - 3,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[],
        show_progress=False,
    ),
)
t.add_special_tokens(
    [AddedToken(s, special=True, normalized=False) for s in ("<|endoftext|>", "<|im_end|>", "<|pad|>")]
)
t.save("data/tokenizer.json")
n = [len(e.ids) for e in t.encode_batch(docs)]
n.sort()
print(
    "vocab",
    t.get_vocab_size(),
    "merges",
    len(json.load(open("data/tokenizer.json"))["model"]["merges"]),
    "tokens/doc",
    sum(n) / len(n),
    "p50",
    n[len(n) // 2],
    "p90",
    n[int(0.9 * len(n))],
    "max",
    n[-1],
)
for s in ("<|endoftext|>", "<|im_end|>", "<|pad|>"):
    print(s, t.token_to_id(s))
import collections
import re

words = collections.Counter(w for d in docs for w in re.findall(r" ?[A-Za-z]+", d))
multi = [w for w in words if len(t.encode(w).ids) > 1]
print("words", len(words), "multi-token words", len(multi), multi[:40])
