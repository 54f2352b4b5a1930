package verify

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// wholeLayers looks for layers all of whose operations with weights fail, where no
// other layer's does.
func (s *session) wholeLayers(first *Comparison) string {
	if first.Mode != Isolated || first.op.Layer < 0 {
		return ""
	}
	used, wrong := map[int]map[string]bool{}, map[int]map[string]bool{}
	for _, c := range s.comparisons {
		if c.Mode != Isolated || c.op.Section != first.op.Section || c.op.Layer < 0 || len(s.unit(c.site, c.op).Tensors) == 0 {
			continue
		}
		layer := c.op.Layer
		if used[layer] == nil {
			used[layer], wrong[layer] = map[string]bool{}, map[string]bool{}
		}
		used[layer][c.op.Path] = true
		if c.Failed() {
			wrong[layer][c.op.Path] = true
		}
	}
	var whole []int
	for _, layer := range slices.Sorted(maps.Keys(used)) {
		switch n := len(wrong[layer]); {
		case n == 0:
		case 2*n > len(used[layer]) && n > 2:
			whole = append(whole, layer)
		default:
			return ""
		}
	}
	if len(whole) == 0 || len(whole) == len(used) {
		return ""
	}
	if len(whole) == 1 {
		return fmt.Sprintf("most operations of layer %d that use weights fail, and none of another layer: all of its tensors are another layer's, or another checkpoint's", whole[0])
	}
	return fmt.Sprintf("most operations of layers %s that use weights fail, and none of another layer: their tensors changed places as a whole", some(whole))
}

// companions lists other operations that fail although their inputs are right.
func (s *session) companions(first *Comparison) string {
	if first.Mode != Isolated {
		return ""
	}
	var others []string
	for _, c := range s.inOrder() {
		if c.Mode == Isolated && c.Failed() && c.op != first.op && !slices.Contains(others, c.op.Path) {
			others = append(others, c.op.Path)
		}
	}
	if len(others) == 0 {
		return ""
	}
	text := fmt.Sprintf("%d other operations fail on their own, too: %s", len(others), strings.Join(others[:min(4, len(others))], ", "))
	if len(others) > 4 {
		text += ", …"
	}
	return text
}
