package main

import (
	"testing"

	"colakit/internal/command/commandtest"
)

func TestProgram(t *testing.T) { commandtest.Program(t, program()) }
