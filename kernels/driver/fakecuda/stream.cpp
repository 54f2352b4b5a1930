// stream.cpp - streams, events, capture and graphs. All streams of a context share one queue in the order of issue; it
// runs when the host waits for anything, so reading pinned memory too early shows.
#include <time.h>

#include "fake.h"

namespace fake {
static Stream null_stream;
Stream *stream_of(CUstream s) { return (uintptr_t)s > 2 ? (Stream *)s : &null_stream; }

CUresult flush() {
  Context *c = current;
  while (!c->queue.empty() && !c->sticky) {
    Operation f = std::move(c->queue.front());
    c->queue.pop_front();
    if (CUresult r = f()) {
      c->sticky = r;
      c->queue.clear();
    }
  }
  return c->sticky;
}
CUresult submit(CUstream s, Operation f) {
  if (current->sticky) return current->sticky;
  if (Graph *g = stream_of(s)->capture.get()) {
    g->operations.push_back(std::move(f));
    return CUDA_SUCCESS;
  }
  current->queue.push_back(std::move(f));
  return environment("FAKECUDA_EAGER", 0) ? flush() : CUDA_SUCCESS;
}
CUresult wait() {
  NEED_CONTEXT;
  return current->capturing ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : flush();
}
static double now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}
}  // namespace fake
using namespace fake;

#pragma GCC visibility push(default)
extern "C" {
CUresult cuStreamCreate(CUstream *s, unsigned) {
  NEED_CONTEXT;
  *s = (CUstream) new Stream;
  current->streams.insert(*s);
  return CUDA_SUCCESS;
}
CUresult cuStreamDestroy_v2(CUstream s) {
  NEED_CONTEXT;
  flush();
  if (!current->streams.erase(s)) return CUDA_ERROR_INVALID_HANDLE;
  delete (Stream *)s;
  return CUDA_SUCCESS;
}
CUresult cuStreamSynchronize(CUstream s) { return stream_of(s)->capture ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : wait(); }
CUresult cuStreamQuery(CUstream) { return wait(); }
CUresult cuStreamWaitEvent(CUstream, CUevent, unsigned) { return CUDA_SUCCESS; }  // the queue has the order of issue
CUresult cuStreamBeginCapture_v2(CUstream s, CUstreamCaptureMode) {
  NEED_CONTEXT;
  if (current->sticky) return current->sticky;
  if (!current->streams.count(s) || stream_of(s)->capture) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  stream_of(s)->capture = std::make_unique<Graph>();
  current->capturing++;
  return CUDA_SUCCESS;
}
CUresult cuStreamEndCapture(CUstream s, CUgraph *g) {
  NEED_CONTEXT;
  if (!stream_of(s)->capture) return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  *g = (CUgraph)stream_of(s)->capture.release();
  current->graphs.insert(*g);
  current->capturing--;
  return CUDA_SUCCESS;
}
CUresult cuGraphInstantiateWithFlags(CUgraphExec *e, CUgraph g, unsigned long long) {
  NEED_CONTEXT;
  *e = (CUgraphExec) new Graph(*(Graph *)g);
  current->executables.insert(*e);
  return CUDA_SUCCESS;
}
CUresult cuGraphLaunch(CUgraphExec e, CUstream s) {
  NEED_CONTEXT;
  if (!current->executables.count(e)) return CUDA_ERROR_INVALID_HANDLE;
  for (auto &o : ((Graph *)e)->operations)
    if (CUresult r = submit(s, o)) return r;
  return CUDA_SUCCESS;
}
CUresult cuGraphDestroy(CUgraph g) {
  NEED_CONTEXT;
  if (!current->graphs.erase(g)) return CUDA_ERROR_INVALID_HANDLE;
  delete (Graph *)g;
  return CUDA_SUCCESS;
}
CUresult cuGraphExecDestroy(CUgraphExec g) {
  NEED_CONTEXT;
  flush();
  if (!current->executables.erase(g)) return CUDA_ERROR_INVALID_HANDLE;
  delete (Graph *)g;
  return CUDA_SUCCESS;
}
CUresult cuEventCreate(CUevent *e, unsigned) {
  NEED_CONTEXT;
  *e = (CUevent) new Event;
  current->events.insert(*e);
  return CUDA_SUCCESS;
}
CUresult cuEventDestroy_v2(CUevent e) {
  NEED_CONTEXT;
  flush();
  if (!current->events.erase(e)) return CUDA_ERROR_INVALID_HANDLE;
  delete (Event *)e;
  return CUDA_SUCCESS;
}
CUresult cuEventRecord(CUevent e, CUstream s) {
  NEED_CONTEXT;
  return submit(s, [=] {
    ((Event *)e)->seconds = now();
    ((Event *)e)->recorded = true;
    return CUDA_SUCCESS;
  });
}
CUresult cuEventSynchronize(CUevent) { return wait(); }
CUresult cuEventQuery(CUevent) { return wait(); }
CUresult cuEventElapsedTime(float *ms, CUevent a, CUevent b) {
  if (CUresult r = wait()) return r;
  auto *x = (Event *)a, *y = (Event *)b;
  if (!x->recorded || !y->recorded) return CUDA_ERROR_INVALID_HANDLE;
  *ms = (float)(1e3 * (y->seconds - x->seconds));
  return CUDA_SUCCESS;
}
}
