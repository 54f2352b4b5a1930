// Package metric measures how far one tensor is from another.
//
// In every formula a is the candidate's element, e the reference's (the golden
// value), n the number of elements that are finite on both sides. Everything is
// accumulated in float64 and in one pass over both tensors, with memory that
// depends on the length of the last axis only.
package metric
