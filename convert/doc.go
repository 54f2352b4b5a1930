// Package convert turns a Hugging Face checkpoint into a native artifact, and
// looks into artifacts.
//
//	Prepare   opens the source, checks all that can be checked, and plans
//	Plan      plain data: per tensor its source, action, type and the reason
//	Scan      changes the plan for values beyond a type's range, where allowed
//	Preview   the plan with the disk, memory and time that it takes here
//	Execute   read → convert and measure → hash → write, tile by tile
//
// Everything that can fail without reading the weights fails in Prepare, or in
// Execute before its first byte is written. A tile is a chunk of the artifact, at
// most cola.ChunkBytes and whole rows where it becomes codes: N workers convert
// tiles, one writer puts them in order, and the bytes are the same for any N.
// Memory is bounded by the tiles in work, never by the model: see Memory.
//
// A plan is followed again as a recipe: types and reasons are taken from it, and
// the same source gives the same bytes.
//
// The artifact is written to OUT.tmp-RANDOM in the folder of OUT, synced, and
// renamed. An error or a cancelled context removes it and leaves a previous OUT
// as it was. A process that is killed leaves the temporary file; the next
// conversion to the same OUT finds it unlocked and removes it.
//
// With ExecuteOptions.Resume it is written to OUT.partial, and OUT.journal notes
// every tensor that is complete: its figures, the sums of its chunks and of the
// parts of the source that were read for it. A later execution with Resume checks
// that source and plan are the same, reads what is noted back, and converts the
// rest. Nothing has to be synced for this: what did not reach the disk has other
// sums, and is converted again.
//
// An artifact may hold an AdaLN table in place of the weights between the timestep
// and the modulations. The arithmetic is Options.Modulations', called before the
// first byte is written with the weights as the model's loader rounds them; the plan
// lists what the table replaces, and is bound to the table's schedule.
package convert
