// Package convert turns a Hugging Face checkpoint into a native artifact, and
// looks into artifacts.
//
//	Prepare   opens the source, checks all that can be checked, and plans
//	Plan      plain data: per tensor its source, action, type and the reason
//	Execute   read → convert and measure → hash → write, tile by tile
//
// Everything that can fail without reading the weights fails in Prepare, or in
// Execute before its first byte is written. A tile is a chunk of the artifact, at
// most cola.ChunkBytes: N workers convert tiles, one writer puts them in order,
// and the bytes are the same for any N. Memory is bounded by the tiles in work,
// never by the model.
//
// The artifact is written to OUT.tmp-RANDOM in the folder of OUT, synced, and
// renamed. An error or a cancelled context removes it and leaves a previous OUT
// as it was. A process that is killed leaves the temporary file; the next
// conversion to the same OUT finds it unlocked and removes it.
package convert
