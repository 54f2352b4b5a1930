package hf

import "fmt"

func (c DiTConfig) validate() error { return nil }
func (c VAEConfig) validate() error { return nil }
func (c Config) validate() error {
	if c.DiT.TxtInChannels != c.VAE.LatentDim {
		return fmt.Errorf("cola_dit txt_in_channels is %d but cola_text_vae latent_dim is %d", c.DiT.TxtInChannels, c.VAE.LatentDim)
	}
	return nil
}
