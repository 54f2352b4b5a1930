//go:build cuda && cgo

package driver

/*
#include <stdlib.h>
#include <cuda.h>

// defined by loader/loader.c; not there if the program is linked with libcuda itself
extern const char *cuda_loader_problem(void) __attribute__((weak));
static const char *loader_problem(void) { return cuda_loader_problem ? cuda_loader_problem() : 0; }

// slots: n of 8 bytes. The pointers to them are made here, so that no Go pointer to a Go pointer crosses.
static CUresult launch(CUcontext context, CUfunction f, const unsigned *grid, const unsigned *block, unsigned shared, CUstream s, void *slots, int n) {
	void *parameters[64];
	CUresult r = cuCtxSetCurrent(context);
	if (r) return r;
	if (n > 64) return CUDA_ERROR_INVALID_VALUE;
	for (int i = 0; i < n; i++) parameters[i] = (char *)slots + 8 * i;
	return cuLaunchKernel(f, grid[0], grid[1], grid[2], block[0], block[1], block[2], shared, s, parameters, 0);
}

static CUresult load(CUmodule *module, const void *image, char *log, unsigned log_bytes) {
	CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
	void *values[] = {log, (void *)(size_t)log_bytes};
	return cuModuleLoadDataEx(module, image, 2, options, values);
}
*/
import "C"

import (
	"fmt"
	"reflect"
	"strings"
	"unsafe"

	"gorgonia.org/cu"

	"colakit/kernels/device"
)

// cu's handles are structs of one pointer.
func function(f cu.Function) C.CUfunction { return *(*C.CUfunction)(unsafe.Pointer(&f)) }
func stream(s cu.Stream) C.CUstream       { return *(*C.CUstream)(unsafe.Pointer(&s)) }
func context(c cu.CUContext) C.CUcontext  { return *(*C.CUcontext)(unsafe.Pointer(&c)) }
func asModule(m C.CUmodule) (o cu.Module) { *(*C.CUmodule)(unsafe.Pointer(&o)) = m; return o }

// loaderProblem says why there is no driver, or is empty.
func loaderProblem() string {
	if p := C.loader_problem(); p != nil {
		return C.GoString(p)
	}
	return ""
}

// maxSharedPerBlock is an attribute that cu does not name: what a block can ask for by setMaxShared.
const maxSharedPerBlock = cu.DeviceAttribute(C.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)

// driverError is an error that the driver returned.
type driverError struct {
	call string
	code int
}

// Error returns "cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY (2): out of memory".
func (e driverError) Error() string {
	var name, text *C.char
	C.cuGetErrorName(C.CUresult(e.code), &name)
	C.cuGetErrorString(C.CUresult(e.code), &text)
	if name == nil || text == nil {
		return fmt.Sprintf("%s: CUDA error %d", e.call, e.code)
	}
	return fmt.Sprintf("%s: %s (%d): %s", e.call, C.GoString(name), e.code, C.GoString(text))
}

func check(call string, r C.CUresult) error {
	if r == 0 {
		return nil
	}
	return driverError{call, int(r)}
}

// checked turns an error of cu, whose type is an unexported integer, into a driverError.
func checked(call string, err error) error {
	if v := reflect.ValueOf(err); err != nil && v.CanInt() {
		return driverError{call, int(v.Int())}
	}
	return err
}

func loadModule(image string) (cu.Module, error) {
	text := C.CString(image)
	defer C.free(unsafe.Pointer(text))
	const bytes = 8192
	log := (*C.char)(C.calloc(1, bytes))
	defer C.free(unsafe.Pointer(log))
	var m C.CUmodule
	if err := check("cuModuleLoadDataEx", C.load(&m, unsafe.Pointer(text), log, bytes)); err != nil {
		return cu.Module{}, fmt.Errorf("the driver refuses the kernels' code: %w; %s", err, strings.Join(strings.Fields(C.GoString(log)), " "))
	}
	return asModule(m), nil
}

func setMaxShared(f cu.Function, bytes int) error {
	return check("cuFuncSetAttribute", C.cuFuncSetAttribute(function(f), C.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, C.int(bytes)))
}

func launchKernel(c cu.CUContext, f cu.Function, l device.Launch, s cu.Stream, slots []uint64) error {
	grid, block := [3]C.uint{C.uint(l.Grid.X), C.uint(l.Grid.Y), C.uint(l.Grid.Z)}, [3]C.uint{C.uint(l.Block.X), C.uint(l.Block.Y), C.uint(l.Block.Z)}
	return check("cuLaunchKernel", C.launch(context(c), function(f), &grid[0], &block[0], C.uint(l.Shared), stream(s), unsafe.Pointer(&slots[0]), C.int(len(slots))))
}

func beginCapture(s cu.Stream) error {
	return check("cuStreamBeginCapture", C.cuStreamBeginCapture(stream(s), C.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL))
}

// executable is a graph ready to run.
type executable = C.CUgraphExec

// endCapture returns the recorded work, ready to run.
func endCapture(s cu.Stream) (C.CUgraphExec, error) {
	var g C.CUgraph
	if err := check("cuStreamEndCapture", C.cuStreamEndCapture(stream(s), &g)); err != nil {
		return nil, err
	}
	defer C.cuGraphDestroy(g)
	var ready C.CUgraphExec
	return ready, check("cuGraphInstantiate", C.cuGraphInstantiateWithFlags(&ready, g, 0))
}

func launchGraph(g C.CUgraphExec, s cu.Stream) error {
	return check("cuGraphLaunch", C.cuGraphLaunch(g, stream(s)))
}

func destroyGraph(g C.CUgraphExec) error {
	return check("cuGraphExecDestroy", C.cuGraphExecDestroy(g))
}

// allocatePinned returns page-locked host memory: only with it do copies run beside kernels.
func allocatePinned(bytes int) ([]byte, error) {
	var p unsafe.Pointer
	if err := check("cuMemHostAlloc", C.cuMemHostAlloc(&p, C.size_t(bytes), 0)); err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(p), bytes), nil
}

func freePinned(b []byte) error {
	return check("cuMemFreeHost", C.cuMemFreeHost(unsafe.Pointer(unsafe.SliceData(b))))
}
