// Package tokenizer reads tokenizer.json files of the byte-level BPE kind (GPT-2,
// cl100k, OLMo 2, Llama 3) and turns text into token ids and back, as the
// HuggingFace library `tokenizers` does: the same ids for the same text.
//
// # What a text goes through
//
//		text ─ added tokens cut out ─ split patterns ─ bytes ─ byte-pair merges ─ template ─▶ ids
//
//	 1. Added tokens are found leftmost-longest, first those that are not
//	    "normalized", then the others in what is left; single_word, lstrip and rstrip
//	    are honoured.
//	 2. The pre-tokenizer cuts the rest into words: Split steps with a known pattern,
//	    then ByteLevel, which may put a space before a word (add_prefix_space) and may
//	    split by GPT-2's pattern (use_regex). The patterns are recognised by their
//	    text and matched by hand-written code (split.go); \p{L}, \p{N} and \s are the
//	    sets of Unicode 16, those of the library's own engine, and not those of the
//	    unicode package of the Go release at hand (gen_classes.go).
//	 3. Every word's bytes become one-byte tokens, and the pair whose merge stands
//	    earliest in the file is joined, leftmost first, until none is left.
//	 4. A TemplateProcessing post-processor adds its special tokens, as the library
//	    does unless told otherwise.
//
// Decoding joins the bytes of the tokens; what is not UTF-8 then becomes U+FFFD, one
// for each maximal part of a sequence (Unicode 3.9, "substitution of maximal
// subparts"). Text to encode that is not UTF-8 is repaired in the same way first.
//
// # Ids of added tokens
//
// The library does not take an added token's id from the file: a token that
// model.vocab holds keeps the id it has there, and others are numbered on from the
// size of model.vocab in file order. So does this package. In the files that
// the library writes both ways agree.
//
// # What is refused
//
// Parse returns an error that wraps ErrUnsupported and names the part of the file
// for everything that would change ids and is not implemented: normalizers,
// truncation, padding to a length, model types other than BPE, dropout, subword
// prefixes and suffixes, unknown split patterns, other pre-tokenizers, post-processors
// and decoders. Files that contradict themselves (two tokens with one id, a merge of
// unknown tokens, broken JSON) give an error that wraps tensor.ErrDamaged.
package tokenizer
