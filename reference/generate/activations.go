package generate

import "fmt"

// Activations says what the inputs of linear layers with 8-bit weights are
// multiplied as. It is no part of the contract, which says where a run rounds.
type Activations uint8

const (
	// FloatActivations multiplies them as they are with widened weights (W8A16).
	FloatActivations Activations = iota
	// Int8Activations quantises them, each token by itself, and multiplies
	// integers (W8A8).
	Int8Activations
)

// String returns "float" or "int8".
func (a Activations) String() string {
	if a == Int8Activations {
		return "int8"
	}
	return "float"
}

// ParseActivations is the inverse of String.
func ParseActivations(name string) (Activations, error) {
	switch name {
	case "float":
		return FloatActivations, nil
	case "int8":
		return Int8Activations, nil
	}
	return FloatActivations, fmt.Errorf("unknown activations %q; known are float and int8", name)
}
