//go:build !linux

package directio

const hugePage = Align

func adviseHuge([]byte) {}
