"""Writes cases.json: texts, ids and decoded texts as HuggingFace `tokenizers` gives them.

    python gen_cases.py > cases.json

Each entry is a tokenizer.json, told as what replaces the top-level members of small.json (of its
"model", member by member), and what the package does with it. "cl100k" is the vocabulary of
cl100k_base, rebuilt from cl100k.merges.gz, with the added tokens of small.json.
"""

import copy
import gzip
import hashlib
import importlib.metadata
import json
import os
import random
import struct
import sys

from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
SMALL = json.load(open(os.path.join(HERE, "small.json")))
OLMO = SMALL["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
POSSESSIVE = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
)


def byte_level(prefix, regex):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def sequence(*steps):
    return {"pre_tokenizer": {"type": "Sequence", "pretokenizers": list(steps)}}


def added(content, **flags):
    token = dict(id=0, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=False)
    return {**token, **flags}


def template(*pieces):
    ids = {"<s>": [271], "two": [5, 6]}
    special = {k: {"id": k, "ids": v, "tokens": [k] * len(v)} for k, v in ids.items()}
    single = [
        {"Sequence": {"id": "A", "type_id": 0}} if p == "A" else {"SpecialToken": {"id": p, "type_id": 0}} for p in pieces
    ]
    pair = [{"Sequence": {"id": s, "type_id": 0}} for s in "AB"]
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special}


def without(*missing, **model):
    """The small model without some tokens: bytes that have none."""
    gone = [t for t in SMALL["model"]["vocab"] if any(m in t for m in missing)]
    vocab = {t: i for i, t in enumerate(t for t in SMALL["model"]["vocab"] if t not in gone)}
    if "unk_token" in model:
        vocab[model["unk_token"]] = len(vocab)
    merges = [m for m in SMALL["model"]["merges"] if not any(p in gone for p in m.split(" ") + [m.replace(" ", "")])]
    return {"model": {"vocab": vocab, "merges": merges, **model}}


ADDED = [
    added("<s>", special=True), added("<s><s>"), added("<mask>", lstrip=True, rstrip=True, special=True),
    added("foo", single_word=True), added("foobar", normalized=True), added("bar", normalized=True, lstrip=True),
    added("  x", rstrip=True), added("é", special=True), added("日本", single_word=True, special=True),
    added("hello"), added("h"), added("\n\n", lstrip=True), added("<|a", normalized=True),
    added("<|a|>", special=True, rstrip=True), added("\u2003", rstrip=True),
    added("ab", single_word=True, lstrip=True, rstrip=True, normalized=True), added("abc"), added("bcd"), added("bc"),
    added(""), added("<s>", special=False, lstrip=True),
]  # fmt: skip

UNREACHED = {**SMALL["model"]["vocab"], "Ġthe": 400, "xyzzy": 401, "日本 x": 402, "o": 500}

VARIANTS = {
    "small": {},
    "pairs": {"model": {"merges": [m.split(" ") for m in SMALL["model"]["merges"]]}},
    "one digit (Qwen 2)": sequence(split(OLMO.replace("{1,3}", "")), byte_level(False, False)),
    "two digits": sequence(split(OLMO.replace("{1,3}", "{1,2}")), byte_level(False, False)),
    "possessive (cl100k_base)": sequence(split(POSSESSIVE, "Removed", True), byte_level(False, False)),
    "inverted": sequence(split(OLMO, "Isolated", True), byte_level(False, False)),
    "GPT-2": {"pre_tokenizer": byte_level(False, True)},
    "GPT-2 with a space before": {"pre_tokenizer": byte_level(True, True)},
    "GPT-2 by Split": sequence(split(GPT2), byte_level(False, False)),
    "one word with a space before": {"pre_tokenizer": byte_level(True, False)},
    "a space before every word": sequence(split(OLMO), byte_level(True, False)),
    "three patterns": sequence(split(OLMO.replace("{1,3}", "")), split(OLMO), byte_level(True, True)),
    "added tokens": {"added_tokens": ADDED},
    "added tokens, spaces before": {"added_tokens": ADDED, **sequence(split(OLMO), byte_level(True, False))},
    "no added tokens": {"added_tokens": []},
    "template": {"post_processor": template("<s>", "A", "two")},
    "template in a sequence": {
        "post_processor": {"type": "Sequence", "processors": [byte_level(True, True), template("two", "A")]}
    },
    "post-processor ByteLevel": {"post_processor": byte_level(True, True)},
    "merges ignored": {"model": {"ignore_merges": True, "vocab": UNREACHED}, "added_tokens": []},
    "tokens that merges do not reach": {"model": {"vocab": UNREACHED}, "added_tokens": []},
    "bytes without a token": without("q", "é", "Ã", "7", "å", "Ċ"),
    "unknown token": without("q", "Ã", "7", "å", "Ċ", unk_token="<unk>"),
    "fused unknown tokens": without("q", "Ã", "7", "å", "Ċ", unk_token="<unk>", fuse_unk=True),
    "no dropout": {"model": {"dropout": 0.0, "unk_token": "h", "byte_fallback": True, "continuing_subword_prefix": ""}},
}

FIXED = [
    "", " ", "  ", "\n", "\r\n", " \n ", "Hello world", "hello  world", "it's IT'S we'Ve I'LL 'tis don't",
    "1234567 12 1 3.14159 1,000,000", "tabs\t\tand   spaces   ", "line1\n\nline2\r\n\r\n  line3  \n",
    "élan naïve Ångström façade", "日本語のテキスト、テスト。", "Привет, мир! Ещё раз", "مرحبا بالعالم",
    "emoji 😀👩‍👩‍👧‍👦🇩🇪 end", "a\u0301e\u0301 combining", "\u00a0nbsp\u2003em space\u3000ideographic",
    "text<|endoftext|>more", " <|im_start|> user\nhi<|im_end|>\n", "mail |||EMAIL_ADDRESS|||x", "<|endoftext",
    "x" * 40, "ab " * 12, " " * 40 + "x", 'func main() {\n\tfmt.Println("hi")\n}\n', "    indented\n        more\n",
    "½ ² Ⅷ ٣ 一二三 １２３", "\u200bzero\u200dwidth\u180e", "ſ'S ſ'ſ 'ſ K'K 'ſt", "\ud7ff\ue000\ufffd", "\u0000\u0001\u001f",
    "\u2028ls\u2029ps\u0085nel", "'S'T'RE'VE'M'LL'D 's", "a'sb", "...!!!\n\n???\r\n", "_under_score_ __x__",
    "http://a.b/c?d=e&f=g#h", "\U0010ffff\U000e0001", "𝒜𝓫𝕔 ǅ ʰ ª º", "\u1c89\ua7cb \U00010d40\U00010d412",
    "foo foo_ foobar xfoo bar \n\n <mask>  <s><s><s>abcd ab, ab\u200c", "日本 日本x _日本", "  x  x <|a|>  <|a<|a|",
]  # fmt: skip

POOL = (
    [chr(c) for c in range(32, 127)]
    + list("\n\r\t   \x00\x0b\x0c\x1f\x7f\x85\xa0éß日本жſKİﬁⅧ½٣१1𝒜𝟘_ǅʰª한אבก")
    + ["\r\n", "\n\n", "\u180e", "\u200b", "\u200c", "\u200d", "\u2003", "\u2028", "\u3000", "\u0301", "\u20dd", "\ufe0f"]
    + ["👩‍👩‍👧", "🇩🇪", "\U000e0001", "\ufffd", "\ufeff", "22", "333", "4444", "    ", "\n  \n", "\u1c89", "\U00010d40"]
    + ["'s", "'S", "'ſ", "'LL", "'Ve", "'re", "'t", " the", " of", " hello", "hello", "foo", "bar", "foobar", "abc", "bcd"]
    + ["<s>", "<mask>", "<|a", "<|a|>", "<|endoftext|>", "|||IP_ADDRESS|||", "  x", "xyzzy"]
)


def texts(rnd, n):
    for _ in range(n):
        kind = rnd.random()
        if kind < 0.6:
            yield "".join(rnd.choice(POOL) for _ in range(rnd.randint(1, 25)))
        elif kind < 0.8:
            blank = [" ", "\n", "\r", "\t", "\x85", "\u2003", "a", "1", ".", "'"]
            yield "".join(rnd.choice(blank) for _ in range(rnd.randint(1, 30)))
        else:
            tops = [0x80, 0x800, 0xD800]
            yield "".join(chr(rnd.randrange(rnd.choice(tops))) for _ in range(rnd.randint(1, 12)))


def encoded(tokenizer, wanted):
    cases = []
    for text in wanted:
        try:
            cases.append({"text": text, "ids": tokenizer.encode(text).ids})
        except BaseException as e:  # the package panics where strips overlap
            if isinstance(e, (KeyboardInterrupt, SystemExit)):
                raise
    return cases


def decoded(tokenizer, rnd, n):
    top = max(tokenizer.get_vocab().values()) + 3
    cases = []
    for _ in range(n):
        ids = [rnd.randrange(top) if rnd.random() < 0.3 else rnd.randrange(256) for _ in range(rnd.randint(0, 12))]
        skip = rnd.random() < 0.5
        cases.append({"ids": ids, "skip": skip, "text": tokenizer.decode(ids, skip_special_tokens=skip)})
    return cases


def results(tokenizer, rnd, n):
    names = sorted(tokenizer.get_added_tokens_decoder().values(), key=lambda a: a.content)
    return {
        "size": tokenizer.get_vocab_size(),
        "added": {a.content: tokenizer.token_to_id(a.content) for a in names},
        "encode": encoded(tokenizer, FIXED + list(texts(rnd, n))),
        "decode": decoded(tokenizer, rnd, 12),
    }


def patched(patch):
    config = copy.deepcopy(SMALL)
    for key, value in patch.items():
        config[key] = {**config[key], **value} if key == "model" else value
    return config


def cl100k():
    code = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    vocab = [chr(b) for b in code] + [chr(256 + i) for i in range(256 - len(code))]
    with gzip.open(os.path.join(HERE, "cl100k.merges.gz"), "rt", encoding="utf-8") as f:
        merges = f.read().splitlines()
    vocab += [m.replace(" ", "") for m in merges]
    return patched({"model": {"vocab": {t: i for i, t in enumerate(vocab)}, "merges": merges}})


def every_code_point(tokenizer):
    """sha256 over the ids, little-endian 32-bit, of texts that hold 4096 code points each."""
    digest = hashlib.sha256()
    for first in range(0, 0x110000, 0x1000):
        chars = [chr(c) for c in range(first, first + 0x1000) if not 0xD800 <= c < 0xE000]
        ids = tokenizer.encode("".join(f"a{c}1 '{c}" for c in chars)).ids
        digest.update(struct.pack("<%di" % len(ids), *ids))
    return digest.hexdigest()


def main():
    rnd = random.Random(1)
    out = {"tokenizers": importlib.metadata.version("tokenizers"), "variants": []}
    for name, patch in VARIANTS.items():
        tokenizer = Tokenizer.from_str(json.dumps(patched(patch)))
        out["variants"].append({"name": name, "patch": patch, **results(tokenizer, rnd, 10)})
    big = Tokenizer.from_str(json.dumps(cl100k()))
    out["cl100k"] = results(big, rnd, 300)
    out["every_code_point"] = every_code_point(Tokenizer.from_str(json.dumps(SMALL)))
    write(out)


def write(out):
    """One line per variant, so that a change shows where it is."""
    dump = lambda value: json.dumps(value, separators=(",", ":"))
    variants = ",\n".join(map(dump, out.pop("variants")))
    rest = ",\n".join(f"{dump(k)}:{dump(v)}" for k, v in out.items())
    sys.stdout.write('{"variants":[\n%s],\n%s}\n' % (variants, rest))


if __name__ == "__main__":
    main()
