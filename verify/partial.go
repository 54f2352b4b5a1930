package verify

import (
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// fusedReason is why a value is not compared that exists nowhere in the engine.
const fusedReason = "fused in this engine"

// shows reports whether the engine shows a value, if it computes it at all. What
// bundles of every level hold is not the engine's to hide.
func (s *session) shows(site generate.Site) bool {
	if s.partial == nil || s.partial.Shows(site) {
		return true
	}
	op, known := s.catalog.Lookup(site)
	return !known || op.Derived || op.Level(site.Stage) == catalog.Always
}

// given reports whether the golden's value of a site can take the place of the
// engine's: the bundle holds it and the engine lets it be replaced.
func (s *session) given(site generate.Site) bool {
	_, held := s.order[site.String()]
	return held && s.shows(site) && !(s.tabled && catalog.IsEmbedding(site.Path))
}

// hides reports whether a tap of the bundle exists nowhere in the engine.
func (s *session) hides(t golden.Tap) bool {
	site, err := generate.ParseSite(t.Name)
	return err == nil && !s.shows(site)
}

// showsSomewhere reports whether the engine shows an operation's value in any stage.
func (s *session) showsSomewhere(path string) bool { return s.somewhere(path, s.shows) }

// recordedSomewhere reports whether a bundle of this level records it, too.
func (s *session) recordedSomewhere(path string) bool {
	return s.somewhere(path, func(site generate.Site) bool {
		op, _ := s.catalog.Lookup(site)
		return op.Recorded(s.info.Level, site.Stage) && s.shows(site)
	})
}

func (s *session) somewhere(path string, is func(generate.Site) bool) bool {
	for stage := generate.Encode; stage <= generate.Commit; stage++ {
		site := generate.Site{Stage: stage, Path: path}
		if stage == generate.Denoise && s.catalog.Op(path).Section != catalog.Loop {
			site.Branch = generate.Cond
		}
		if _, known := s.catalog.Lookup(site); known && is(site) {
			return true
		}
	}
	return false
}
