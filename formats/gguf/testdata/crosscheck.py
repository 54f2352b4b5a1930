"""Hold formats/gguf against the Python package gguf, in both directions.

    python formats/gguf/testdata/crosscheck.py FOLDER

TestCrosscheck runs this with the Python that COLAKIT_GGUF_PYTHON names (pip install gguf). In FOLDER, the test has
written types.txt, empty.gguf and go.gguf; this program compares, and writes for the test to compare:

- types.txt has the number, the name, the elements and the bytes of a block of every element type: all that the package
  knows are there, with the same;
- empty.gguf has values that the package reads and never writes: it is read through;
- go.gguf is read and written again by the package, keys, types, tensors, and must come out byte for byte;
- every tensor NAME.F32 of it is quantized by the package and must equal NAME.Q8_0, NAME.F16 and NAME.BF16, and these
  dequantized must equal NAME.Q8_0.decoded and what the types stand for;
- python.gguf is written by the package, with such tensors of its own.

Everything is compared bit by bit. Prints what was compared; exits with 1 at the first difference.
"""
import os, sys, warnings

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as Type, GGUFReader, GGUFValueType as Value, GGUFWriter
from gguf.quants import dequantize, quantize

warnings.filterwarnings("ignore")  # numpy on infinities and NaN, which are meant


def check(equal, what):
    if not equal:
        sys.exit(f"different: {what}")


def same(a, b):
    return a.tobytes() == b.tobytes()


def types(path):
    with open(path) as lines:
        ours = {number: rest for number, *rest in (line.split() for line in lines)}
    for kind, (elements, size) in GGML_QUANT_SIZES.items():
        check(ours.get(str(int(kind))) == [kind.name, str(elements), str(size)], f"element type {kind.name}")
    return len(GGML_QUANT_SIZES)


def copy(reader, path):
    """Write what reader has, with the package's writer."""
    writer = GGUFWriter(path, reader.fields["general.architecture"].contents())
    for key, field in reader.fields.items():
        if key.startswith("GGUF."):
            continue
        writer.kv_data[0].pop(key, None)
        array = field.types[0] == Value.ARRAY
        writer.add_key_value(key, field.contents(), field.types[0], field.types[-1] if array else None)
        if key == "general.alignment":
            writer.data_alignment = field.contents()
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def codecs(reader):
    """Compare what was encoded and decoded elsewhere with what the package makes of the same values."""
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    blocks = 0
    for name, tensor in tensors.items():
        if not name.endswith(".F32"):
            continue
        stem = name.removesuffix("F32")
        for kind in (Type.Q8_0, Type.F16, Type.BF16):
            stored = tensors[stem + kind.name]
            check(stored.tensor_type == kind, f"type of {stored.name}")
            check(same(quantize(np.array(tensor.data), kind), stored.data), f"{stored.name}: quantize")
        stored = tensors[stem + "Q8_0"]
        decoded = dequantize(np.array(stored.data), Type.Q8_0)
        check(same(decoded, tensors[stem + "Q8_0.decoded"].data), f"{stored.name}: dequantize")
        blocks += decoded.size // 32
    check(blocks > 0, "there are no tensors to compare")
    return blocks


def sources():
    """Arrays of float32 of every magnitude, and with halves that must go away from zero."""
    random = np.random.default_rng(7)
    yield "weights", random.normal(0, 0.02, (64, 2048))
    yield "magnitudes", random.normal(0, 1, (600, 64)) * np.exp2(random.integers(-150, 127, (600, 1)))
    halves = random.integers(-254, 255, (300, 32)) / 2
    halves[:, 0] = 127
    yield "halves", halves * np.exp2(random.integers(-20, 20, (300, 1)))


def write_python(path):
    writer = GGUFWriter(path, "cola")
    writer.add_quantization_version(2)
    writer.add_array("test.tokens", ["a", "tür", "日本"])
    writer.add_float64("test.tenth", 0.1)
    for name, values in sources():
        values = values.astype(np.float32)
        blocks = quantize(values, Type.Q8_0)
        writer.add_tensor(name + ".F32", values)
        writer.add_tensor(name + ".Q8_0", blocks, raw_dtype=Type.Q8_0)
        writer.add_tensor(name + ".Q8_0.decoded", dequantize(blocks, Type.Q8_0))
        writer.add_tensor(name + ".F16", quantize(values, Type.F16))
        writer.add_tensor(name + ".BF16", quantize(values, Type.BF16), raw_dtype=Type.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main(folder):
    at = lambda name: os.path.join(folder, name)
    print(f"{types(at('types.txt'))} element types: the same sizes")
    empty = GGUFReader(at("empty.gguf"))
    check(all(len(f.contents()) == 0 for k, f in empty.fields.items() if k.startswith("test.")), "empty values")
    reader = GGUFReader(at("go.gguf"))
    copy(reader, at("again.gguf"))
    with open(at("go.gguf"), "rb") as ours, open(at("again.gguf"), "rb") as theirs:
        check(ours.read() == theirs.read(), "go.gguf written again")
    print(f"{len(reader.fields) - 3} keys and {len(reader.tensors)} tensors written again: the same bytes")
    print(f"{codecs(reader)} blocks of Q8_0 encoded and decoded: the same bits")
    write_python(at("python.gguf"))


main(sys.argv[1])
