"""A closed little world: grammar -> training text, held-out prompts, coherence checker.

    python corpus.py --out data --docs 60000 --seed 7
writes data/train.txt (one document per line), data/heldout.jsonl, data/seen.jsonl.
All sentences are this file's own.
"""

import argparse
import hashlib
import itertools
import json
import os
import random
import re

BOYS = ["Tom", "Sam", "Ben", "Max", "Leo", "Jack"]
GIRLS = ["Anna", "Mia", "Lucy", "Eva", "Rosa", "Kate"]
NAMES = BOYS + GIRLS
COLOURS = ["red", "blue", "green", "yellow", "white", "black", "brown", "pink"]
OBJECTS = ["ball", "kite", "hat", "cup", "box", "boat", "book", "bag", "drum", "coat"]
PLACES = ["park", "beach", "farm", "school", "lake", "shop", "zoo", "market"]
SOUNDS = {
    "cow": "moo",
    "dog": "woof",
    "cat": "meow",
    "duck": "quack",
    "sheep": "baa",
    "pig": "oink",
    "bee": "buzz",
    "frog": "croak",
    "lion": "roar",
    "bird": "tweet",
    "hen": "cluck",
    "horse": "neigh",
}
FOODS = ["bread", "cake", "soup", "cheese", "rice", "milk"]
MOODS = ["happy", "sad", "hungry", "tired"]

COLOUR_OF = {
    "the sky": "blue",
    "the sea": "blue",
    "the grass": "green",
    "a leaf": "green",
    "the snow": "white",
    "the milk": "white",
    "the sun": "yellow",
    "a lemon": "yellow",
    "a banana": "yellow",
    "the coal": "black",
    "the night": "black",
    "a tomato": "red",
    "a cherry": "red",
    "the mud": "brown",
    "a bear": "brown",
    "a pig": "pink",
    "a frog": "green",
    "a swan": "white",
    "a crow": "black",
}
BABY = {
    "dog": "puppy",
    "cat": "kitten",
    "cow": "calf",
    "sheep": "lamb",
    "hen": "chick",
    "horse": "foal",
    "bear": "cub",
    "duck": "duckling",
    "pig": "piglet",
}
HOME = {
    "bee": "hive",
    "bird": "nest",
    "dog": "kennel",
    "horse": "stable",
    "fish": "pond",
    "bear": "cave",
    "pig": "sty",
    "spider": "web",
}
OPP = [
    ("hot", "cold"),
    ("big", "small"),
    ("day", "night"),
    ("up", "down"),
    ("happy", "sad"),
    ("fast", "slow"),
    ("wet", "dry"),
    ("old", "new"),
    ("open", "closed"),
    ("left", "right"),
    ("black", "white"),
    ("good", "bad"),
]
LEGS = {
    "spider": "eight",
    "bird": "two",
    "dog": "four",
    "bee": "six",
    "fish": "no",
    "cow": "four",
    "hen": "two",
    "snake": "no",
    "cat": "four",
    "ant": "six",
}
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
NUM = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
KIND = {}
for w in COLOURS:
    KIND[w] = "a colour"
for w in DAYS:
    KIND[w] = "a day"
for w in NUM[1:]:
    KIND[w] = "a number"
for w in NAMES:
    KIND[w] = "a name"


def cap(s):
    return s[0].upper() + s[1:]


def art(w):
    return ("an " if w[0] in "aeiou" else "a ") + w


def h(*key, mod=100):
    return int(hashlib.md5("|".join(key).encode()).hexdigest(), 16) % mod


# --- facts: every fact is a list of (prompt, answer) phrasings; the document is prompt + " " + answer + "." ---
def facts():
    out = []
    for t, c in COLOUR_OF.items():
        out.append(
            (
                "colour",
                t,
                [(f"Question: What colour is {t}? Answer:", c), (f"The colour of {t} is", c), (f"{cap(t)} is", c)],
            )
        )
    for a, s in SOUNDS.items():
        out.append(("sound", a, [(f"Question: What does the {a} say? Answer:", s), (f"The {a} says", s)]))
    for a, b in BABY.items():
        out.append(
            (
                "baby",
                a,
                [(f"Question: What is a baby {a} called? Answer:", "a " + b), (f"A baby {a} is called", "a " + b)],
            )
        )
    for a, p in HOME.items():
        out.append(
            ("home", a, [(f"Question: Where does the {a} live? Answer:", "in a " + p), (f"The {a} lives in", "a " + p)])
        )
    for x, y in OPP:
        for u, v in ((x, y), (y, x)):
            out.append(
                (
                    "opposite",
                    u,
                    [(f"Question: What is the opposite of {u}? Answer:", v), (f"The opposite of {u} is", v)],
                )
            )
    for a, n in LEGS.items():
        out.append(
            (
                "legs",
                a,
                [(f"Question: How many legs does {art(a)} have? Answer:", n), (f"{cap(art(a))} has", n + " legs")],
            )
        )
    for i, d in enumerate(DAYS):
        n, p = DAYS[(i + 1) % 7], DAYS[(i - 1) % 7]
        out.append(("after", d, [(f"Question: What day comes after {d}? Answer:", n), (f"The day after {d} is", n)]))
        out.append(("before", d, [(f"Question: What day comes before {d}? Answer:", p), (f"The day before {d} is", p)]))
    for a in range(1, 10):
        for b in range(1, 11 - a):
            out.append(
                (
                    "plus",
                    f"{NUM[a]}+{NUM[b]}",
                    [
                        (f"Question: What is {NUM[a]} plus {NUM[b]}? Answer:", NUM[a + b]),
                        (f"{cap(NUM[a])} plus {NUM[b]} is", NUM[a + b]),
                    ],
                )
            )
    for w, k in KIND.items():
        out.append(("kind", w, [(f"Question: What is {w}? Answer:", k), (f"{cap(w)} is", k)]))
    return out


def fact_held(kind, key, i):
    """One phrasing (never all) of about one fact in six is kept out of training."""
    return i == 0 and h("fact", kind, key) < 17


# --- stories ---
STORY = {
    "play": [
        ["{N1} had a {c} {o}."],
        ["{He1} took the {o} to the {p}.", "{He1} went to the {p} with the {o}."],
        ["At the {p} {he1} met {N2}.", "{He1} met {N2} at the {p}."],
        ["{N1} and {N2} played with the {c} {o} all day.", "They played with the {o}."],
        ["They were happy.", "Then {N1} went home."],
    ],
    "lost": [
        ["{N1} lost a {c} {o} at the {p}."],
        ["{He1} was sad."],
        ["{N2} went to the {p} and found the {o}.", "{N2} found the {o} at the {p}."],
        ["{She2} gave the {c} {o} back to {N1}.", "{She2} gave the {o} to {N1}."],
        ["Now {N1} was happy."],
    ],
    "gift": [
        ["{N1} went to the {p}."],
        ["{He1} bought a {c} {o} for {N2}."],
        ["{N2} was happy with the {c} {o}.", "{N2} liked the {o}."],
        ["{She2} said thank you to {N1}."],
    ],
    "animal": [
        ["One day {N1} saw a {c} {a} at the {p}."],
        ["The {a} said {s}."],
        ["{N1} gave the {a} some {f}.", "{He1} gave some {f} to the {a}."],
        ["The {a} ate the {f} and was happy.", "The {a} liked the {f}."],
    ],
    "eat": [
        ["{N1} was hungry."],
        ["{He1} went to the {p} and bought some {f}."],
        ["{He1} ate the {f} with {N2}.", "{N2} ate some {f} too."],
        ["They liked the {f}.", "Then {N1} was not hungry."],
    ],
}
STORY_Q = {
    "play": [
        ("Who had the {o}?", "{N1}"),
        ("What colour was the {o}?", "{c}"),
        ("Where did {N1} go?", "to the {p}"),
        ("Who did {N1} meet?", "{N2}"),
    ],
    "lost": [("Who lost the {o}?", "{N1}"), ("What colour was the {o}?", "{c}"), ("Who found the {o}?", "{N2}")],
    "gift": [
        ("Who bought the {o}?", "{N1}"),
        ("What colour was the {o}?", "{c}"),
        ("Where did {N1} go?", "to the {p}"),
    ],
    "animal": [("Who saw the {a}?", "{N1}"), ("What did the {a} say?", "{s}"), ("What did the {a} eat?", "{f}")],
    "eat": [("Who was hungry?", "{N1}"), ("What did {N1} buy?", "{f}"), ("Where did {N1} go?", "to the {p}")],
}
VARS = {"N1": NAMES, "N2": NAMES, "c": COLOURS, "o": OBJECTS, "p": PLACES, "a": list(SOUNDS), "f": FOODS}


def held_pair(v):
    """Combinations that never occur together in training."""
    return (
        ("o" in v and "c" in v and h("co", v["c"], v["o"]) < 10)
        or ("a" in v and "c" in v and h("ca", v["c"], v["a"]) < 10)
        or ("o" in v and "N1" in v and h("no", v["N1"], v["o"]) < 10)
    )


def fill(v):
    v = dict(v)
    for i in "12":
        if "N" + i in v:
            boy = v["N" + i] in BOYS
            v["he" + i], v["He" + i] = ("he", "He") if boy else ("she", "She")
            v["She" + i] = v["He" + i]
    if "a" in v:
        v["s"] = SOUNDS[v["a"]]
    return v


def draw(kind, rng, held):
    need = set(re.findall(r"\{(\w+)\}", " ".join(s for alts in STORY[kind] for s in alts)))
    while True:
        v = {k: rng.choice(VARS[k]) for k in ("N1", "N2", "c", "o", "p", "a", "f") if k in need}
        if "N2" in v and v["N1"] == v["N2"]:
            continue
        pairable = "c" in v
        if held_pair(v) == held or not pairable:
            return fill(v)


def story(kind, rng, held=False):
    v = draw(kind, rng, held)
    return v, [rng.choice(alts).format(**v) for alts in STORY[kind]]


def story_regexes():
    out = []
    for kind, slots in STORY.items():
        for combo in itertools.product(*slots):
            seen = set()

            def sub(m):
                k = m.group(1)
                if k in seen:
                    return f"(?P={k})"
                seen.add(k)
                alts = VARS.get(k) or (
                    sorted(set(SOUNDS.values())) if k == "s" else ["He", "She"] if k[0].isupper() else ["he", "she"]
                )
                return f"(?P<{k}>" + "|".join(alts) + ")"

            rx = re.sub(r"\\\{(\w+)\\\}", sub, re.escape(" ".join(combo)))
            out.append((kind, re.compile(rx)))
    return out


RX = None


def check_story(text):
    """Full document coherent? (grammar + pronouns + names + sound + object/colour/place bindings)"""
    global RX
    RX = RX or story_regexes()
    for kind, rx in RX:
        m = rx.fullmatch(text)
        if m:
            g = m.groupdict()
            v = fill({k: g[k] for k in VARS if k in g and g[k]})
            if v.get("N1") == v.get("N2"):
                return False
            return all(g[k] == v[k] for k in g if k in v)
    return False


SRX = None


def check_sentence(s):
    """One sentence grammatical in this world, bindings ignored."""
    global SRX
    if SRX is None:
        SRX = []
        for slots in STORY.values():
            for alts in slots:
                for t in alts:

                    def sub(m):
                        k = m.group(1)
                        alts = VARS.get(k) or (
                            sorted(set(SOUNDS.values()))
                            if k == "s"
                            else ["He", "She"]
                            if k[0].isupper()
                            else ["he", "she"]
                        )
                        return "(?:" + "|".join(alts) + ")"

                    SRX.append(re.compile(re.sub(r"\\\{(\w+)\\\}", sub, re.escape(t))))
    return any(r.fullmatch(s) for r in SRX)


# --- facts stated in the document itself ---
def context(rng, held=False):
    while True:
        n1, n2 = rng.sample(NAMES, 2)
        c1, c2 = rng.sample(COLOURS, 2)
        o1, o2 = rng.sample(OBJECTS, 2)
        hp = held_pair({"N1": n1, "o": o1, "c": c1}) or held_pair({"N1": n2, "o": o2, "c": c2})
        if hp == held:
            break
    text = f"{n1} has a {c1} {o1}. {n2} has a {c2} {o2}."
    n, c, o = rng.choice([(n1, c1, o1), (n2, c2, o2)])
    q, a = rng.choice(
        [(f"What colour is the {o}?", c), (f"Who has the {o}?", n), (f"What does {n} have?", f"a {c} {o}")]
    )
    return f"{text} Question: {q} Answer:", a


def fact_doc(rng, F):
    kinds = sorted({f[0] for f in F})

    def one():
        # each kind about equally often, sums more often (there are many)
        k = rng.choice(kinds + ["plus", "plus", "colour", "opposite"])
        while True:
            kind, key, ph = rng.choice([f for f in F if f[0] == k])
            i = rng.randrange(len(ph))
            if not fact_held(kind, key, i):
                return f"{ph[i][0]} {ph[i][1]}."

    return " ".join(one() for _ in range(rng.choice([1, 1, 1, 2])))


def story_doc(rng):
    kind = rng.choice(list(STORY))
    v, s = story(kind, rng)
    r = rng.random()
    if r < 0.45:
        q, a = rng.choice(STORY_Q[kind])
        return " ".join(s) + f" Question: {q.format(**v)} Answer: {a.format(**v)}."
    return " ".join(s)


def make_doc(rng, F):
    r = rng.random()
    if r < 0.40:
        return fact_doc(rng, F)
    if r < 0.62:
        p, a = context(rng)
        return f"{p} {a}."
    return story_doc(rng)


def test_set(rng, F, held, n_ctx, n_story):
    out = []
    for kind, key, ph in F:
        for i, (p, a) in enumerate(ph):
            if fact_held(kind, key, i) == held and i == 0:
                out.append({"kind": "fact-" + kind, "question": p, "answer": a})
    if not held:
        out = rng.sample(out, 60)
    for _ in range(n_ctx):
        p, a = context(rng, held)
        out.append({"kind": "context", "question": p, "answer": a})
    for i in range(n_story):
        kind = list(STORY_Q)[i % 4]
        v, s = story(kind, rng, held)
        q, a = rng.choice(STORY_Q[kind])
        out.append(
            {
                "kind": "story-question",
                "question": " ".join(s) + f" Question: {q.format(**v)} Answer:",
                "answer": a.format(**v),
            }
        )
    for i in range(n_story):
        kind = list(STORY_Q)[i % 4]
        v, s = story(kind, rng, held)
        k = 2 if kind == "gift" else 1
        out.append({"kind": "story", "question": " ".join(s[:k]), "answer": " ".join(s[k:])})
    for i, e in enumerate(out):
        e["id"] = i
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--out", default="data")
    p.add_argument("--docs", type=int, default=60000)
    p.add_argument("--seed", type=int, default=7)
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    rng = random.Random(a.seed)
    F = facts()
    docs = [make_doc(rng, F) for _ in range(a.docs)]
    open(f"{a.out}/train.txt", "w").write("\n".join(docs) + "\n")
    for name, held, seed in (("heldout", True, 1001), ("seen", False, 1002)):
        t = test_set(random.Random(seed), F, held, 60, 60)
        open(f"{a.out}/{name}.jsonl", "w").write("".join(json.dumps(e) + "\n" for e in t))
        print(name, len(t), {k: sum(e["kind"] == k for e in t) for k in sorted({e["kind"] for e in t})})
    print(
        "docs",
        len(docs),
        "unique",
        len(set(docs)),
        "facts",
        len(F),
        "held phrasings",
        sum(fact_held(k, key, 0) for k, key, _ in F),
    )
    for e in (x for x in test_set(random.Random(5), F, True, 5, 5) if x["kind"] == "story"):
        assert check_story(e["question"] + " " + e["answer"]), e
    assert not check_story(
        "Tom lost a red ball at the park. She was sad. Mia found the ball at the park. She gave the ball to Tom. Now Tom was happy."
    )


if __name__ == "__main__":
    main()
