package generate

import (
	"fmt"

	"colakit/formats/tensor"
)

// Show has a tap record the value of a site and returns what a Forcing tap puts in its
// place, of the same shape; nil for nothing.
func Show(tap Tap, at Site, v tensor.View) (*tensor.View, error) {
	if err := tap.Record(at, v); err != nil {
		return nil, fmt.Errorf("tap %s: %w", at, err)
	}
	forcing, ok := tap.(Forcing)
	if !ok {
		return nil, nil
	}
	forced, ok, err := forcing.Replace(at)
	if err != nil {
		return nil, fmt.Errorf("tap %s: %w", at, err)
	}
	if !ok {
		return nil, nil
	}
	if !forced.Shape.Equal(v.Shape) {
		return nil, fmt.Errorf("tap %s: forced value has shape %v, wanted %v", at, forced.Shape, v.Shape)
	}
	return &forced, nil
}
