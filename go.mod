module colakit

go 1.25.0

require (
	github.com/google/go-cmp v0.7.0
	github.com/nlpodyssey/spago v1.1.0
	github.com/spf13/pflag v1.1.0
	github.com/x448/float16 v0.8.4
	golang.org/x/sys v0.44.0
	golang.org/x/term v0.40.0
	gorgonia.org/cu v0.9.6
	lukechampine.com/blake3 v1.4.1
)

require (
	github.com/google/flatbuffers v23.5.26+incompatible // indirect
	github.com/google/uuid v1.1.1 // indirect
	github.com/klauspost/cpuid/v2 v2.0.12 // indirect
	github.com/pkg/errors v0.9.1 // indirect
)
