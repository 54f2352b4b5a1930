module colakit

go 1.25.0

require (
	github.com/google/flatbuffers v23.5.26+incompatible // indirect
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/klauspost/cpuid/v2 v2.0.12 // indirect
	github.com/nlpodyssey/spago v1.1.0 // indirect
	github.com/spf13/pflag v1.1.0 // indirect
	github.com/x448/float16 v0.8.4 // indirect
	golang.org/x/sys v0.44.0 // indirect
	golang.org/x/term v0.40.0 // indirect
	lukechampine.com/blake3 v1.4.1 // indirect
)
