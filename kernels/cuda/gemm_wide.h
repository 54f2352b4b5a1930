// gemm_wide.h - the product of gemm.h for many tokens: each weight that a block loads meets 128 tokens.
//
// A block takes 128 tokens and 8 panels, 4 where scales are for groups of columns, and all columns, in stages of 128 bytes
// of each token. Its 8 warps have 64 tokens and a quarter of the panels each. Tokens and weights reach shared memory by
// asynchronous copies, two stages ahead; what a lane reads there is what it reads in gemm.h.
//
// Per tile the block reads 6 KiB of shared memory for 32 mma of each warp; 64 tokens and 64 rows, as in gemm.h, read 5 KiB
// for 16, and twice the weights from the second-level cache. Not measured.
//
// The sums have the bits of gemm.h: a part's even tiles are added up, and its odd ones, each in its order; then both; then
// the parts. There warps and blocks have these sums, here registers: three for each result, which bounds the block's size.
// `split` is a multiple of a stage's tiles, and rows of x start at multiples of 16 bytes.
#pragma once
#include "gemm.h"

constexpr int kWideTokens = 128, kRowBytes = 128, kStages = 3;

template <class P> struct Wide {
  static constexpr int kPanels = P::kGroups ? 1 : 2, kRows = 64 * kPanels;                  // of a warp, of the block
  static constexpr int kTileBytes = 32 * P::kXBytes, kTiles = kRowBytes / kTileBytes;       // of a token in a tile, of a stage
  static constexpr int kWordsOfPanel = kTiles * P::kWords * 32;                             // of 16 bytes, in a stage
  static constexpr int kTilePitch = (kWideTokens + 1) * kTileBytes;                         // a stage's tiles lie in different banks
  static constexpr int kTokenBytes = kTiles * kTilePitch, kStage = kTokenBytes + 4 * kPanels * kWordsOfPanel * 16;
  static constexpr bool kExact = !P::kGroups && P::kXBytes == 1;                            // integers: any order will do
  static constexpr int kSets = kExact ? 1 : 2, kPitch = kRows + 4;
};

// threadIdx.x, unknown to the compiler: what follows from it is computed where it is used, for want of registers.
DEVICE_FN int thread_anew() {
  int t = threadIdx.x;
  asm volatile("" : "+r"(t));
  return t;
}

// Copies the tiles from `tile` on: of 128 tokens from m0 on, and of the block's panels from `panel` on.
template <class P> DEVICE_FN void load_stage(const Gemm &g, char *stage, int m0, int panel, int tile) {
  typedef Wide<P> S;
  int tid = thread_anew();
  ROLLED
  for (int i = 0; i < kWideTokens * 8 / kGemmThreads; i++) {
    int piece = tid + i * kGemmThreads, m = piece >> 3, at = (piece & 7) * 16;
    char *to = stage + at / S::kTileBytes * S::kTilePitch + m * S::kTileBytes + at % S::kTileBytes;
    copy_piece<P>(g, to, m0 + m, tile * 32 + at / P::kXBytes, true);
  }
  ROLLED
  for (int i = 0; i < 4 * S::kPanels * S::kWordsOfPanel / kGemmThreads; i++) {
    int word = tid + i * kGemmThreads, p = panel + word / S::kWordsOfPanel, at = word % S::kWordsOfPanel;
    bool inside = p < g.panels && tile + at / (32 * P::kWords) < g.tiles;
    const uint4 *from = (const uint4 *)g.w + ((size_t)p * g.tiles + tile) * P::kWords * 32 + at;
    ASYNC_COPY16(stage + S::kTokenBytes + word * 16, inside ? (const void *)from : g.w, inside);
  }
}

// Adds a part's sums to those of the parts before it and clears them.
template <class Sum> DEVICE_FN void add_part(float all[8][4], Sum even[8][4], Sum odd[8][4]) {
  UNROLL
  for (int j = 0; j < 8; j++) UNROLL for (int r = 0; r < 4; r++) {
      all[j][r] += (float)(even[j][r] + odd[j][r]);
      even[j][r] = odd[j][r] = 0;
    }
}

// grid (ceil(M / 128), ceil(panels / 8) or, for groups, ceil(panels / 4)), block 256, dynamic shared memory: 3 * kStage
template <class P> DEVICE_FN void gemm_wide(const Gemm &g) {
  typedef Wide<P> S;
  typedef typename P::Sum Sum;
  DYNAMIC_SHARED(char, space);
  int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, m_of_warp = 64 * (warp & 1), panel_of_warp = (warp >> 1) * S::kPanels;
  int m0 = blockIdx.x * kWideTokens, panel0 = blockIdx.y * 4 * S::kPanels, row = (panel0 + panel_of_warp) * 16 + (lane >> 2);
  int stages = (g.tiles + S::kTiles - 1) / S::kTiles, part_end = g.split;
  bool active = panel0 + panel_of_warp < g.panels;

  Sum sum[S::kSets][S::kPanels][8][4] = {};
  float total[S::kSets][8][4] = {}, all[S::kPanels][8][4];
  UNROLL
  for (int i = 0; i < S::kPanels * 32; i++) all[i / 32][i / 4 % 8][i % 4] = -0.f;  // what any number can be added to
  for (int s = 0; s < kStages - 1; s++) {
    if (s < stages) load_stage<P>(g, space + s * S::kStage, m0, panel0, s * S::kTiles);
    ASYNC_COMMIT();
  }
  ROLLED
  for (int s = 0; s < stages; s++) {
    ASYNC_WAIT(kStages - 2);
    __syncthreads();
    int ahead = s + kStages - 1;
    if (ahead < stages) load_stage<P>(g, space + ahead % kStages * S::kStage, m0, panel0, ahead * S::kTiles);
    ASYNC_COMMIT();
    const char *stage = space + s % kStages * S::kStage;
    int tid = thread_anew();
    int x_at = 64 * (tid >> 5 & 1) * S::kTileBytes + (tid & 31) * 8 * P::kXBytes, w_at = ((tid >> 6) * S::kPanels * S::kWordsOfPanel + (tid & 31)) * 16;
    UNROLL
    for (int h = 0; h < S::kTiles; h++) {
      int tile = s * S::kTiles + h;
      constexpr int kSets = S::kSets;
      if (tile >= g.tiles) continue;
      unsigned w[S::kPanels][P::kFragments];
      UNROLL
      for (int p = 0; p < S::kPanels; p++) {
        const uint4 *at = (const uint4 *)(stage + S::kTokenBytes + w_at) + p * S::kWordsOfPanel + h * P::kWords * 32;
        uint4 words[P::kWords];
        UNROLL
        for (int i = 0; i < P::kWords; i++) words[i] = at[i * 32];
        P::fragments(words, w[p]);
      }
      const char *x = stage + h * S::kTilePitch + x_at;
      UNROLL
      for (int j = 0; j < 8; j++) {
        typename P::X token = *(const typename P::X *)(x + j * 8 * S::kTileBytes);
        UNROLL
        for (int p = 0; p < S::kPanels; p++) P::multiply(sum[h % kSets][p][j], w[p], token);
      }
      if (P::kGroups && active) {
        int group = tile / g.group;
        if (tile + 2 >= part_end || tile + 2 >= g.tiles || (tile + 2) / g.group != group) scale_group<P, 8>(g, total[h % kSets], sum[h % kSets][0], group, row);
      }
    }
    if constexpr (!S::kExact) {
      int done = (s + 1) * S::kTiles;
      if (done < part_end && done < g.tiles) continue;
      UNROLL
      for (int p = 0; p < S::kPanels; p++) {
        if (P::kGroups) add_part(all[p], total[0], total[S::kSets - 1]);
        else add_part(all[p], sum[0][p], sum[S::kSets - 1][p]);
      }
      part_end += g.split;
    }
  }
  __syncthreads();

  auto leave = [&](auto *sums, auto values) {
    UNROLL
    for (int p = 0; p < S::kPanels; p++) UNROLL for (int j = 0; j < 8; j++) UNROLL for (int r = 0; r < 4; r++)
          sums[(m_of_warp + 8 * j + 2 * (lane & 3) + (r & 1)) * S::kPitch + (panel_of_warp + p) * 16 + (lane >> 2) + (r & 2 ? 8 : 0)] = values[p][j][r];
    __syncthreads();
    finish_block<P, S::kRows>(g, panel0 * 16, m0, kWideTokens, [&](int m, int row) { return sums[m * S::kPitch + row]; });
  };
  if constexpr (S::kExact) leave((int *)space, sum[0]);
  else leave((float *)space, all);
}
