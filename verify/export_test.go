package verify

import "colakit/formats/safetensors"

// ParseReplay is OpenReplay of bytes.
func ParseReplay(raw []byte) (*Replay, error) {
	f, err := safetensors.Parse(raw)
	if err != nil {
		return nil, err
	}
	return readReplay(f)
}
