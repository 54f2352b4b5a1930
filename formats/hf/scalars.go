package hf

// Scalar is a key of a config.json and its value: an int, float64, bool or string.
type Scalar struct {
	Key   string
	Value any
}

// Scalars lists the keys that have a field, in the order of the fields, class
// defaults included; one whose value is null is left out.
func (c DiTConfig) Scalars() []Scalar { return scalars(c.fields()) }

// Scalars does what DiTConfig.Scalars does, for the VAE.
func (c VAEConfig) Scalars() []Scalar { return scalars(c.fields()) }

func scalars(fields []field) []Scalar {
	var list []Scalar
	add := func(key string, value any) { list = append(list, Scalar{key, value}) }
	for _, f := range fields {
		switch v := f.value.(type) {
		case *int:
			add(f.key, *v)
		case integral:
			add(f.key, *v.value)
		case *float64:
			add(f.key, *v)
		case **float64:
			if *v != nil {
				add(f.key, **v)
			}
		case *bool:
			add(f.key, *v)
		case *string:
			add(f.key, *v)
		}
	}
	return list
}
