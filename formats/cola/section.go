package cola

import (
	"fmt"
	"slices"

	"colakit/internal/blake3"
)

// Section names what a file holds beside tensors.
type Section string

// The sections, in the order of the file.
const (
	DiTConfig  Section = "dit_config"
	VAEConfig  Section = "vae_config"
	Tokenizer  Section = "tokenizer"
	Generation Section = "generation"
	Provenance Section = "provenance"
	sums       Section = "sums"
)

var sectionOrder = []Section{DiTConfig, VAEConfig, Tokenizer, Generation, Provenance, sums}

func (s Section) optional() bool { return s == Tokenizer || s == Generation }

// Meta is what a file holds beside its tensors. The bytes of a Meta that was
// read are the mapped file's: read-only, and valid until it is closed.
type Meta struct {
	DiTConfig  []byte // config.json of the prior, verbatim
	VAEConfig  []byte // config.json of the Text VAE, verbatim
	Tokenizer  []byte // tokenizer.json, verbatim; nil in a file without one
	Generation []byte // generation defaults, verbatim; nil in a file without them
	Provenance []byte // JSON of convert.Provenance
}

// field returns the part of m that a section holds.
func (m *Meta) field(s Section) *[]byte {
	switch s {
	case DiTConfig:
		return &m.DiTConfig
	case VAEConfig:
		return &m.VAEConfig
	case Tokenizer:
		return &m.Tokenizer
	case Generation:
		return &m.Generation
	case Provenance:
		return &m.Provenance
	}
	return nil
}

// validateSections checks which sections there are, their order, sizes and places.
func validateSections(x index, at *cursor) error {
	last := -1
	for _, s := range x.sections {
		i := slices.Index(sectionOrder, s.Section)
		if i < 0 {
			return fmt.Errorf("%w: %q is unknown", ErrSection, s.Section)
		}
		if err := checkSkipped(last+1, i); err != nil {
			return err
		}
		if i <= last {
			return fmt.Errorf("%w: %q is there twice or in the wrong order", ErrSection, s.Section)
		}
		last = i
		if err := checkSectionSize(s, x.tensors); err != nil {
			return err
		}
		if err := at.place(s.Offset, s.Bytes, smallAlignment); err != nil {
			return fmt.Errorf("section %q: %w", s.Section, err)
		}
	}
	return checkSkipped(last+1, len(sectionOrder))
}

// checkSkipped returns an error if one of the sections from…to−1 must be there.
func checkSkipped(from, to int) error {
	for i := from; i < to; i++ {
		if !sectionOrder[i].optional() {
			return fmt.Errorf("%w: %q is missing", ErrSection, sectionOrder[i])
		}
	}
	return nil
}

func checkSectionSize(s sectionEntry, tensors []Entry) error {
	if s.Section != sums {
		if s.Bytes < 0 || s.Bytes > MaxSectionBytes {
			return fmt.Errorf("%w: %q has %d bytes, at most %d are allowed", ErrSection, s.Section, s.Bytes, MaxSectionBytes)
		}
		return nil
	}
	want := int64(0)
	for _, e := range tensors {
		want += int64(e.Chunks()) * int64(len(blake3.Sum{}))
	}
	if s.Bytes != want {
		return fmt.Errorf("%w: %q has %d bytes, the chunks of all tensors need %d", ErrSection, s.Section, s.Bytes, want)
	}
	return nil
}
