// epilogue.h - what follows a product x W^T in a linear layer, element by element.
#pragma once
#include "arithmetic.h"

// y[m, n] from the sum of products v, in this order, with what is null or 0 left out:
//
//   v + bias[n], rounded to `round`: the linear's output
//   clamped to +-clip, rounded
//   activation, rounded
//   v gate[line[m], n], rounded to the wider of `round` and gate_type   (line null: line m)
//   v + residual[m, n], rounded to the wider of that and residual_type
//   stored as y_type
struct Epilogue {
  const float *bias;
  int activation;
  float clip;
  int round;
  const void *gate;
  int gate_type;
  const int *line;
  int ld_gate;
  const void *residual;
  int residual_type, ld_residual;
  void *y;
  int y_type, ldy;
};

#define EPILOGUE_PARAMETERS                                                                                                  \
  const float *bias, int activation, float clip, int round, const void *gate, int gate_type, const int *line, int ld_gate, \
      const void *residual, int residual_type, int ld_residual, void *y, int y_type, int ldy
#define EPILOGUE \
  Epilogue { bias, activation, clip, round, gate, gate_type, line, ld_gate, residual, residual_type, ld_residual, y, y_type, ldy }

// gate v + residual
DEVICE_FN float gated(const Epilogue &e, float v, int m, int n) {
  int type = e.round;
  if (e.gate) {
    type = wider(type, e.gate_type);
    v = round_to(v * load(e.gate, e.gate_type, (size_t)(e.line ? e.line[m] : m) * e.ld_gate + n), type);
  }
  if (e.residual) v = round_to(v + load(e.residual, e.residual_type, (size_t)m * e.ld_residual + n), wider(type, e.residual_type));
  return v;
}

// The linear's output: the sum with its bias, rounded and clamped. at: the index of the bias.
DEVICE_FN float linear_output(const Epilogue &e, float v, int at) {
  if (e.bias) v += e.bias[at];
  v = round_to(v, e.round);
  if (e.clip > 0.f) v = round_to(v > e.clip ? e.clip : v < -e.clip ? -e.clip : v, e.round);
  return v;
}

DEVICE_FN void finish(const Epilogue &e, float v, int at, int m, int n) {
  v = linear_output(e, v, at);
  if (e.activation) v = round_to(activate(v, e.activation), e.round);
  store(e.y, e.y_type, (size_t)m * e.ldy + n, gated(e, v, m, n));
}

// The same for a value a and its gate g under SwiGLU: a silu(g), both factors rounded.
DEVICE_FN void finish_swiglu(const Epilogue &e, float a, float g, int a_at, int g_at, int m, int n) {
  a = linear_output(e, a, a_at);
  g = round_to(silu_of(linear_output(e, g, g_at)), e.round);
  store(e.y, e.y_type, (size_t)m * e.ldy + n, gated(e, round_to(a * g, e.round), m, n));
}
