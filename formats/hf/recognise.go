package hf

import "strings"

// roots are the beginnings of the native names of each model's modules.
var roots = map[Model][]string{
	DiT: rootsOf(DiTTxtIn, DiTEmbProjIn, Module(DiTBlock(0)), DiTTxtOutNorm, DiTTxtOutAda, DiTTxtOut),
	VAE: rootsOf(EncoderWTE, DecoderIn),
}

// rootsOf returns the first two segments of each name, with the dot behind them.
func rootsOf(modules ...Module) []string {
	var all []string
	for _, m := range modules {
		parts := strings.SplitN(string(m), ".", 3)
		all = append(all, parts[0]+"."+parts[1]+".")
	}
	return all
}

// Recognise returns the native name of a tensor of a file that may hold either
// model or both, or be another program's: what the name alone says. A name that
// is native already stays. ok is false for one that belongs to neither model.
func Recognise(source string) (native string, ok bool) {
	for _, m := range []Model{DiT, VAE} {
		for _, name := range []string{source, m.Native(source)} {
			for _, root := range roots[m] {
				if strings.HasPrefix(name, root) {
					return name, true
				}
			}
		}
	}
	return source, false
}
