package export

import (
	"fmt"
	"strings"
)

// readmeMark begins the README.md of every folder that an export wrote. Only a
// folder with it is ever replaced.
const readmeMark = "<!-- written by colakit: export -->\n"

const readmeText = `# Cola DLM, exported by colakit

Format: %s. Weights: %s. Artifact (BLAKE3 root): %s

- %s and %s: config.json and the weights of the prior and of the text VAE
%s
What runs this folder:

%s
What only reads it: everything else that knows the format. The architecture is
Cola DLM's own; no runtime but those named here can run it.
`

// runsFloats and runsCodes say which programs can run a folder.
const (
	runsFloats = `- the public Python package: ColaDiTModel.from_pretrained("cola_dit"),
  ColaTextVAEModel.from_pretrained("cola_vae")
- colakit: colaconv convert makes an artifact of it again
`
	runsCodes = `- the public Python package with Transformers and compressed-tensors installed, weights
  being decoded on loading, so that disk is saved and neither memory nor time:
  ColaDiTModel.from_pretrained("cola_dit", quantization_config=CompressedTensorsConfig(dequantize=True)),
  ColaTextVAEModel.from_pretrained("cola_vae", quantization_config=CompressedTensorsConfig(dequantize=True))
- not vLLM: it reads the format and has no Cola DLM
`
)

// folderReadme returns README.md, which says what can be done with the folder.
func folderReadme(m *model, o Options) []byte {
	var parts strings.Builder
	if m.meta.Tokenizer != nil {
		parts.WriteString("- " + tokenizerFile + ": for the library tokenizers\n")
	}
	if m.meta.Generation != nil {
		parts.WriteString("- " + generationFile + ": the checkpoint's generation defaults\n")
	}
	weights, runs := o.Type, runsFloats
	if weights == Stored {
		weights = "as the artifact stores them"
	}
	if o.Format == CompressedTensors {
		runs = runsCodes
	}
	return fmt.Appendf([]byte(readmeMark), readmeText, o.Format, weights, m.Root(), "cola_dit", "cola_vae", parts.String(), runs)
}
