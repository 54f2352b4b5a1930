//go:build !linux

package directio

import "os"

func open(*os.File) *os.File { return nil }
