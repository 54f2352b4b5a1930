package hf

import "testing"

func TestArchitecture(t *testing.T) {
	for raw, want := range map[string]string{
		`{"dim": 8, "dtype": "float16", "torch_dtype": 1, "quantization_config": {"a": []}}`: `{"dim":8}`,
		`{}`:     `{}`,
		`null`:   `null`,
		`{"dim"`: `{"dim"`,
		``:       ``,
	} {
		if got := string(Architecture([]byte(raw))); got != want {
			t.Errorf("%s becomes %s, want %s", raw, got, want)
		}
	}
	quantised := `{"model_type": "cola_dit", "quantization_config": {"quant_method": "compressed-tensors"}}`
	if _, err := ParseDiTConfig([]byte(quantised)); err == nil {
		t.Error("a quantised checkpoint is taken")
	}
	if _, err := ParseDiTConfig(Architecture([]byte(quantised))); err != nil {
		t.Error(err)
	}
}
